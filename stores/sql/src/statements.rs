//! The statements. Each is one change, or one look.
//!
//! They compare names, and decide nothing. A change that has to be durable waits for the log; any other does not, and
//! the log keeps it in its place before later ones.
//!
//! A `{s}` stands for the schema, and `{channel}` for the channel of its notifications: a statement does not depend on
//! a session's `search_path`, which a pooler would share with others. For the same reason a statement says by itself,
//! for its own transaction, how durable it is. The columns of an answer have different names: some clients have rows as
//! objects.

/// What a session begins with: the id that the greeting told. Tells if it is that of the server's process, and the
/// server's time in microseconds.
///
/// Only then is the server this session's alone, and keeps what is set: nobody is waited for without end; a change
/// sees what others have committed, and no error for it; and a statement that is planned once, for whatever values
/// come, goes by the indexes, also where the tables were small or not analysed when it was planned. A statement for
/// which there is no index then seems costly, and the server would compile it, which takes a second: so it does not.
/// Behind a pooler these settings would become another agent's. The server's own hold there, and this client waits no
/// longer, either.
pub const GREETING: &str = "\
    with direct as materialized (select coalesce(pg_backend_pid() = $1, false) as really) \
    select really, (extract(epoch from clock_timestamp()) * 1000000)::int8, case when really then \
      set_config('statement_timeout', '30s', false) || \
      set_config('default_transaction_isolation', 'read committed', false) || \
      set_config('enable_seqscan', 'off', false) || set_config('enable_bitmapscan', 'off', false) || \
      set_config('jit', 'off', false) || set_config('plan_cache_mode', 'force_generic_plan', false) \
    end from direct";

/// The server's time, in microseconds.
pub const TIME: &str = "select (extract(epoch from clock_timestamp()) * 1000000)::int8 as time";

/// The version of the schema.
pub const VERSION: &str = "select version from {s}.meta";

/// How durable a change is: a part of it, `mode`, that has to be used by whatever writes. Where the server does not
/// wait for its log, or for a standby that it is to keep in step, a queue does all the same.
macro_rules! durable {
    ($statement:literal) => {
        concat!(
            "with mode as materialized (select set_config('synchronous_commit', ",
            "case when current_setting('synchronous_commit') in ('off', 'local') then 'on' ",
            "else current_setting('synchronous_commit') end, true)), ",
            $statement
        )
    };
}

/// The same, but only if the first value says so: else the change does not wait for the log.
macro_rules! durable_if_asked {
    ($($statement:expr),+) => {
        concat!(
            "with mode as materialized (select set_config('synchronous_commit', case when not $1 then 'off' ",
            "when current_setting('synchronous_commit') in ('off', 'local') then 'on' ",
            "else current_setting('synchronous_commit') end, true)), ",
            $($statement),+
        )
    };
}

/// Tells those who wait where a name has come, if anybody waits there: the path is in a column of an earlier part of
/// the statement. It is told when the change is committed, and only then. A notification takes a lock of the whole
/// server, so nothing is told to nobody.
macro_rules! told {
    ($part:literal, $path:literal) => {
        concat!(
            ", told as materialized (select pg_notify('{channel}', regexp_replace(",
            $path,
            ", '/[^/]*$', '')) from ",
            $part,
            " where exists (select from {s}.waiter, unnest(dirs) as dir ",
            "where until > now() and starts_with(",
            $path,
            ", dir))) "
        )
    };
}

/// A new file: durability, path, content, task, due.
pub const CREATE: &str = durable_if_asked!(
    "free as (select 1 from mode where not exists (select from {s}.name where path = $2)), \
     file as (insert into {s}.body (content) select $3 from free returning id) \
     insert into {s}.name (path, body, task, due) select $2, id, $4, $5 from file returning path"
);

/// A line at the end of a file: path, line, the most bytes. Whether the file is there, and how many names it has if the
/// line fitted.
pub const APPEND: &str = durable!(
    "file as (select body from {s}.name, mode where path = $1), \
     grown as (update {s}.body set content = content || $2 from file \
       where id = file.body and octet_length(content) + octet_length($2) <= $3 returning names) \
     select (select count(*) from file) as there, (select names from grown) as names"
);

/// Another name for a file: durability, old path, new path, task, due.
pub const LINK: &str = durable_if_asked!(
    "file as (select body from {s}.name, mode where path = $2 for update of name), \
     named as (insert into {s}.name (path, body, task, due) select $3, body, $4, $5 from file \
       on conflict do nothing returning path, body), \
     counted as (update {s}.body set names = names + 1 from named where id = named.body returning id)",
    told!("named", "path"),
    "select (select count(*) from file) as there, (select count(*) from counted) as made, \
     (select count(*) from told) as told"
);

/// The first of several renames whose old name is there: durability, old paths, new paths, tasks, dues. Passes over a
/// name that another change is at. Which one it is, counted from 1.
pub const RENAME_ANY: &str = durable_if_asked!(
    "picked as (select asked.place, asked.target, asked.task, asked.due, name.path \
       from mode, unnest($2::text[], $3::text[], $4::bytea[], $5::int8[]) \
         with ordinality as asked (source, target, task, due, place) \
       join {s}.name on name.path = asked.source order by asked.place limit 1 for update of name skip locked), \
     moved as (update {s}.name set path = picked.target, task = picked.task, due = picked.due \
       from picked where name.path = picked.path returning picked.place, name.path)",
    told!("moved", "path"),
    "select place, (select count(*) from told) as told from moved"
);

/// One rename: durability, old path, new path, task, due.
pub const RENAME: &str = durable_if_asked!(
    "picked as (select path from {s}.name, mode where path = $2 for update of name), \
     moved as (update {s}.name set path = $3, task = $4, due = $5 from picked \
       where name.path = picked.path returning name.path)",
    told!("moved", "path"),
    "select 1::int8 as place, (select count(*) from told) as told from moved"
);

/// A line, and the rename that makes it count: durability, old path, new path, task, due, line, the most bytes. Whether
/// the file is there, and whether the line fitted.
pub const APPEND_AND_RENAME: &str = durable_if_asked!(
    "picked as (select name.path, name.body from {s}.name, mode where path = $2 for update of name), \
     grown as (update {s}.body set content = content || $6 from picked \
       where id = picked.body and octet_length(content) + octet_length($6) <= $7 returning id), \
     moved as (update {s}.name set path = $3, task = $4, due = $5 from picked, grown \
       where name.path = picked.path returning name.path)",
    told!("moved", "path"),
    "select (select count(*) from picked) as there, (select count(*) from moved) as made, \
     (select count(*) from told) as told"
);

/// A new file, and the rename that makes it count: durability, old path, new path, task, due, path of the new file, its
/// content. Whether the old name is there, and whether the new file's name was free.
pub const CREATE_AND_RENAME: &str = durable_if_asked!(
    "picked as (select name.path from {s}.name, mode where path = $2 for update of name), \
     free as (select path from picked where not exists (select from {s}.name where path = $6)), \
     file as (insert into {s}.body (content) select $7 from free returning id), \
     named as (insert into {s}.name (path, body) select $6, id from file), \
     moved as (update {s}.name set path = $3, task = $4, due = $5 from free \
       where name.path = free.path returning name.path)",
    told!("moved", "path"),
    "select (select count(*) from picked) as there, (select count(*) from moved) as made, \
     (select count(*) from told) as told"
);

/// New files, each with a second name that makes it count: durability, paths, contents, second paths, tasks, dues. The
/// places of those whose name was free, counted from 1.
///
/// Each name is looked for by itself, and the bodies' ids are an array: how many names there are is not known when this
/// is planned, and a join of two lists of unknown length takes time by the product of both.
pub const CREATE_AND_LINK: &str = durable_if_asked!(
    "asked as (select a.* from mode, unnest($2::text[], $3::bytea[], $4::text[], $5::bytea[], $6::int8[]) \
       with ordinality as a (path, content, entry, task, due, place)), \
     free as (select * from asked where (select body from {s}.name where name.path = asked.path) is null), \
     file as (insert into {s}.body (names, content) \
       select 2, content from free order by place returning id), \
     numbered as materialized (select array_agg(id order by id) as ids from file), \
     ranked as (select *, (select ids from numbered)[row_number() over (order by place)] as id from free), \
     named as (insert into {s}.name (path, body, task, due) \
       select path, id, null, null from ranked union all select entry, id, task, due from ranked order by path)",
    told!("free", "entry"),
    "select place, (select count(*) from told) as told from free"
);

/// What is there: path, content up to so many bytes.
pub const READ: &str =
    "select substr(content, 1, $2) from {s}.name join {s}.body on body.id = name.body where path = $1";

/// The first line of a file: path, the most bytes.
pub const LINE: &str = "\
    select substr(content, 1, least($2, case position('\\x0a'::bytea in content) when 0 then $2 \
      else position('\\x0a'::bytea in content) end)) \
    from {s}.name join {s}.body on body.id = name.body where path = $1";

/// How many names a file has.
pub const NAMES_OF: &str = "select names::int8 from {s}.name join {s}.body on body.id = name.body where path = $1";

/// Whether there is a file of this path, or something below it: path, the path and `/`, the path and what follows `/`.
pub const EXISTS: &str = "\
    select exists (select from {s}.name where path = $1) \
      or exists (select from {s}.name where path >= $2 and path < $3)";

/// Removes a name, and a body that has none any more. The body is locked before its names are counted.
pub const REMOVE: &str = durable!(
    "gone as (delete from {s}.name using mode where path = $1 returning body), \
     held as (select id, names from {s}.body join gone on id = gone.body for update of body), \
     counted as (update {s}.body set names = held.names - 1 from held where body.id = held.id and held.names > 1), \
     unnamed as (delete from {s}.body using held where body.id = held.id and held.names = 1) \
     select count(*) from gone"
);

/// All files.
pub const FILES: &str = "select path, content from {s}.name join {s}.body on body.id = name.body";

/// The first paths in a range: from, before, most.
pub const PATHS: &str = "select path from {s}.name where path >= $1 and path < $2 order by path limit $3";

/// The names right below a directory, whatever is below them: the directory and `/`, what follows all of these, how
/// many characters the former has and one more.
pub const CHILDREN: &str = "\
    with recursive child (name, path) as ( \
      (select split_part(substr(path, $3), '/', 1), path from {s}.name \
        where path >= $1 and path < $2 order by path limit 1) \
      union all \
      select next.* from child, lateral ( \
        select split_part(substr(path, $3), '/', 1), path from {s}.name where path >= case \
          when position('/' in substr(child.path, $3)) > 0 then $1 || child.name || '0' else child.path || chr(1) end \
        and path < $2 order by path limit 1) next) \
    select name from child";

/// The first entries of several directories, as if they were one: ranges of paths, each by its first one, what follows
/// its last, and how many characters of a path stand before its place and one more; the same of what is below
/// watermarks, which is read only if nothing else is there; most; how much of their content.
macro_rules! head {
    ($before:literal, $ranges:literal) => {
        concat!(
            $before,
            "above as materialized (select entry.* from ",
            $ranges,
            " range (first, before, skipped), lateral ( \
              select path, body, substr(path, range.skipped) collate \"C\" as place from {s}.name \
              where path >= range.first and path < range.before order by path limit $7) entry \
              order by entry.place limit $7), \
             below as (select entry.* from unnest($4::text[], $5::text[], $6::int4[]) range (first, before, skipped), \
              lateral ( \
              select path, body, substr(path, range.skipped) collate \"C\" as place from {s}.name \
              where path >= range.first and path < range.before order by path limit $7) entry \
              where not exists (select from above) order by entry.place limit $7) \
             select head.path, substr(content, 1, $8) from (select * from above union all select * from below) head \
             join {s}.body on body.id = head.body order by head.place limit $7"
        )
    };
}

/// The head of directories.
pub const HEAD: &str = head!("with ", "unnest($1::text[], $2::text[], $3::int4[])");

/// The head of all queues, those included that are not known: ranges in which they may be, and after which place they
/// are read.
pub const HEAD_OF_ALL: &str = head!(
    "with recursive queue (dir, before) as ( \
      select (select 'ready/' || split_part(path, '/', 2) from {s}.name \
        where path >= part.first and path < part.before order by path limit 1), part.before \
      from unnest($9::text[], $10::text[]) part (first, before) \
      union all \
      select (select 'ready/' || split_part(path, '/', 2) from {s}.name \
        where path >= queue.dir || '0' and path < queue.before order by path limit 1), queue.before \
      from queue where queue.dir is not null), ",
    "(select * from unnest($1::text[], $2::text[], $3::int4[]) \
      union all select dir || '/' || $11, dir || '0', length(dir) + 2 from queue where dir is not null)"
);

/// The entries of a task: which, how much of the content.
pub const OF_TASK: &str =
    "select path, substr(content, 1, $2) from {s}.name join {s}.body on body.id = name.body where task = $1";

/// What is due: by when, after which time and path, most, how much.
pub const DUE: &str = "\
    select path, substr(content, 1, $5) from {s}.name join {s}.body on body.id = name.body \
    where due <= $1 and (due, path) > ($2, $3) order by due, path limit $4";

/// What the server promises, as `doctor` tells it. Without the right to see what others do, much is null.
pub const PROMISES: &str = "\
    select current_setting('server_version'), \
      case when current_setting('synchronous_commit') in ('off', 'local') then 'on' \
        else current_setting('synchronous_commit') end, \
      current_setting('fsync')::bool, current_setting('full_page_writes')::bool, \
      current_setting('synchronous_standby_names'), \
      current_setting('autovacuum')::bool and current_setting('track_counts')::bool, \
      pg_is_in_recovery(), pg_has_role('pg_read_all_stats', 'usage')";

/// The standbys, and whether a durable change waits for them.
pub const STANDBYS: &str = "\
    select coalesce(application_name, ''), sync_state in ('sync', 'quorum') from pg_stat_replication \
    order by application_name";

/// What holds on to the oldest rows of this database: its kind, its name, its program, for how many seconds, how many
/// transactions have begun since.
pub const HOLDER: &str = "\
    select kind, name, program, seconds, transactions from ( \
      select 'transaction' as kind, pid::text as name, coalesce(application_name, '') as program, \
        extract(epoch from clock_timestamp() - xact_start)::int8 as seconds, age(backend_xmin)::int8 as transactions \
      from pg_stat_activity where backend_xmin is not null and pid <> pg_backend_pid() \
        and backend_type = 'client backend' and datname = current_database() \
      union all select 'prepared', gid, '', extract(epoch from clock_timestamp() - prepared)::int8, \
        age(transaction)::int8 from pg_prepared_xacts where database = current_database() \
      union all select 'slot', slot_name::text, '', null, age(xmin)::int8 from pg_replication_slots \
        where xmin is not null) as holder \
    order by transactions desc, seconds desc nulls last limit 1";

/// Begins to be told, on this connection.
pub const LISTEN: &str = "listen {channel}";

/// Ends that.
pub const UNLISTEN: &str = "unlisten {channel}";

/// An agent waits for names that begin so, for so many seconds: whoever makes one tells it. What others have left is
/// taken away.
pub const WAIT: &str = "\
    with gone as (delete from {s}.waiter where until < now() - interval '1 minute' and id <> pg_backend_pid()) \
    insert into {s}.waiter (id, until, dirs) \
      values (pg_backend_pid(), clock_timestamp() + make_interval(secs => $2), $1) \
      on conflict (id) do update set until = excluded.until, dirs = excluded.dirs";

/// What a client without sessions begins with: where `format.json` is, and how much of it. The version of the schema,
/// the content, and the server's time in microseconds.
pub const OPENING: &str = "\
    select (select version from {s}.meta) as version, \
      (select substr(content, 1, $2) from {s}.name join {s}.body on body.id = name.body where path = $1) as format, \
      (extract(epoch from clock_timestamp()) * 1000000)::int8 as time";
