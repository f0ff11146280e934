//! The schema of a queue: its name, and what makes it.

/// The version of the tables in a schema.
pub const VERSION: i32 = 1;

/// The schema of a queue.
#[derive(Clone, Debug)]
pub struct Schema {
    name: String,
    quoted: String,
    channel: String,
}

/// A channel's name has at most 63 bytes.
const CHANNEL_BYTES: usize = 50;

/// The longest name that PostgreSQL keeps whole, in bytes.
const NAME_BYTES: usize = 63;

impl Schema {
    /// What the name of a schema must be.
    pub const RULE: &str = "a name of 1 to 63 bytes of UTF-8 that does not begin with pg_, without control characters";

    /// True if the name of a schema may be this.
    pub fn may_be(name: &str) -> bool {
        (1..=NAME_BYTES).contains(&name.len()) && !name.contains(char::is_control) && !name.starts_with("pg_")
    }

    /// The schema of this name.
    pub fn new(name: &str) -> Schema {
        let letters = name.chars().filter(char::is_ascii_alphanumeric).take(CHANNEL_BYTES);
        // Two queues that share a channel wake each other's agents for nothing, and that is all.
        let channel = format!("muse_{}", letters.collect::<String>().to_ascii_lowercase());
        Schema { name: name.to_string(), quoted: format!("\"{}\"", name.replace('"', "\"\"")), channel }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A statement, with the schema and the channel in it.
    pub fn qualify(&self, statement: &str) -> String {
        statement.replace("{channel}", &self.channel).replace("{s}", &self.quoted)
    }

    /// The statement that makes the schema, if it is not there. Of several agents that come to this at once, one makes
    /// it.
    pub fn creation(&self) -> String {
        let tables = include_str!("schema.sql").replace("table {s}", "table if not exists {s}");
        let tables = tables.replace("create index", "create index if not exists");
        let (tables, quoted, as_text) = (self.qualify(&tables), &self.quoted, self.name.replace('\'', "''"));
        let block = format!(
            "begin \
               perform pg_advisory_xact_lock(hashtext('muse coord'), hashtext('{as_text}')); \
               set local client_min_messages to warning; create schema if not exists {quoted}; {tables} \
               insert into {quoted}.meta select {VERSION} where not exists (select from {quoted}.meta); \
             end"
        );
        format!("do '{}'", block.replace('\'', "''"))
    }
}
