//! What was measured: medians with their spread, and ratios of medians.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;

/// How long one operation took, in seconds, round by round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn push(&mut self, seconds: f64) {
        self.0.push(seconds);
    }

    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    pub(crate) fn quantile(&self, part: f64) -> f64 {
        quantile(&self.0, part)
    }

    /// How many times longer this took than the other.
    pub(crate) fn over(&self, other: &Samples) -> Ratio {
        let rounds: Vec<f64> = self.0.iter().zip(&other.0).map(|(this, other)| this / other).collect();
        Ratio {
            of_medians: self.median() / other.median(),
            quartiles: (quantile(&rounds, 0.25), quantile(&rounds, 0.75)),
        }
    }
}

/// Of values that are not sorted; of none there is none.
fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    let at = |place: f64| sorted.get(place as usize).copied().unwrap_or(f64::NAN);
    let place = part * last as f64;
    at(place.floor()) + (at(place.ceil()) - at(place.floor())) * place.fract()
}

/// A ratio of medians, and within which bounds half of the rounds' own ratios are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ratio {
    pub(crate) of_medians: f64,
    quartiles: (f64, f64),
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (lower, upper) = self.quartiles;
        write!(f, "{} ({}–{})", short(self.of_medians), short(lower), short(upper))
    }
}

/// Two or three digits that say something.
pub(crate) fn short(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// What was measured in turn, in one run.
#[derive(Clone, Debug)]
pub(crate) struct Comparison {
    /// What each of them did.
    pub(crate) case: String,
    pub(crate) measured: Vec<(String, Samples)>,
}

/// One of those that take turns: its name, and what measures it once, in seconds for one operation.
pub(crate) type Turn<'a> = (String, Box<dyn FnMut() -> Result<f64> + 'a>);

impl Comparison {
    /// Has everybody take turns, and tells each round to whoever watches.
    pub(crate) fn of(case: &str, rounds: usize, mut turns: Vec<Turn<'_>>) -> Result<Comparison> {
        let mut measured: Vec<(String, Samples)> =
            turns.iter().map(|(name, _)| (name.clone(), Samples::default())).collect();
        for round in 0..rounds {
            for ((name, measure), (_, samples)) in turns.iter_mut().zip(&mut measured) {
                let seconds = measure().map_err(|error| error.context(format!("{case}: {name}")))?;
                samples.push(seconds);
            }
            if round + 1 == rounds {
                let told: Vec<String> = measured.iter().map(|(name, samples)| told(name, samples)).collect();
                eprintln!("   {case}: {}", told.join(", "));
            }
        }
        Ok(Comparison { case: case.to_owned(), measured })
    }

    pub(crate) fn samples(&self, name: &str) -> Option<&Samples> {
        self.measured.iter().find(|(known, _)| known == name).map(|(_, samples)| samples)
    }

    /// How many times longer the one takes than the other; `None` if one of them was not measured.
    pub(crate) fn cost(&self, this: &str, other: &str) -> Option<Ratio> {
        Some(self.samples(this)?.over(self.samples(other)?))
    }

    /// How many times faster the one is than the other.
    pub(crate) fn speed(&self, this: &str, other: &str) -> Option<Ratio> {
        self.cost(other, this)
    }
}

fn told(name: &str, samples: &Samples) -> String {
    format!("{name} {} µs", short(samples.median() * 1e6))
}

/// How long it takes, in seconds.
pub(crate) fn timed<T>(act: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
    let began = Instant::now();
    let done = act()?;
    Ok((began.elapsed().as_secs_f64(), done))
}

/// For one of so many.
pub(crate) fn each(time: Duration, count: u64) -> f64 {
    time.as_secs_f64() / count as f64
}
