//! Values as the client sends them, and rows as it has them.

use coord_sql::{Answer, Asked, Cell, Failure, Row, Value};
use tokio_postgres::error::Severity;
use tokio_postgres::types::{ToSql, Type};

/// The values of a statement, each with its type.
pub(crate) fn typed_values(asked: &Asked) -> Vec<(&(dyn ToSql + Sync), Type)> {
    asked.values.iter().map(typed).collect()
}

fn typed(value: &Value) -> (&(dyn ToSql + Sync), Type) {
    match value {
        Value::Bool(value) => (value, Type::BOOL),
        Value::Int4(value) => (value, Type::INT4),
        Value::Int8(value) => (value, Type::INT8),
        Value::Float8(value) => (value, Type::FLOAT8),
        Value::Text(value) => (value, Type::TEXT),
        Value::Bytea(value) => (value, Type::BYTEA),
        Value::Texts(values) => (values, Type::TEXT_ARRAY),
        Value::Int4s(values) => (values, Type::INT4_ARRAY),
        Value::Int8s(values) => (values, Type::INT8_ARRAY),
        Value::Byteas(values) => (values, Type::BYTEA_ARRAY),
    }
}

/// What the client was answered.
pub(crate) fn answer(rows: Result<Vec<tokio_postgres::Row>, tokio_postgres::Error>) -> Answer {
    let rows = rows.map_err(|error| failure(&error))?;
    rows.iter().map(|row| cells(row).map(Row::new).map_err(|error| failure(&error))).collect()
}

fn cells(row: &tokio_postgres::Row) -> Result<Vec<Cell>, tokio_postgres::Error> {
    let cell = |place: usize, of: &Type| {
        Ok(match *of {
            Type::BOOL => row.try_get::<_, Option<bool>>(place)?.map(Cell::Bool),
            Type::INT4 => row.try_get::<_, Option<i32>>(place)?.map(|value| Cell::Int(value.into())),
            Type::INT8 => row.try_get::<_, Option<i64>>(place)?.map(Cell::Int),
            Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(place)?.map(Cell::Bytes),
            _ => row.try_get::<_, Option<String>>(place)?.map(Cell::Text),
        }
        .unwrap_or_default())
    };
    row.columns().iter().enumerate().map(|(place, column)| cell(place, column.type_())).collect()
}

/// What the server says, or else what the client says, with the reason behind it.
pub(crate) fn failure(error: &tokio_postgres::Error) -> Failure {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(answer), _) => {
            let ends_session = answer.parsed_severity() != Some(Severity::Error);
            Failure::of_server(answer.code().code(), ends_session, answer.message())
        }
        (None, Some(cause)) => Failure::lost(format!("{error}: {cause}")),
        (None, None) => Failure::lost(error.to_string()),
    }
}
