//! Values are only renamed here, on their way in and out: [`coord_core::request`] checks them.

mod answer;
mod error;
mod request;

pub(crate) use answer::reports;
pub(crate) use error::at_place;
