//! The statements. Each is one change, or one look.
//!
//! They compare names, and decide nothing. A change that has to be durable waits for the log; any other does not, and
//! the log keeps it in its place before later ones.

/// What a session begins with. Where the server does not wait for its log, or for a standby that it is to keep in step,
/// a queue does all the same; and nobody is waited for without end.
pub(crate) const SESSION: &str = "\
    select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') in ('off', 'local'); \
    set statement_timeout = '30s'";

/// What a statement says first, so that it does not wait for the log if it need not be durable.
macro_rules! durable_if_asked {
    ($statement:literal) => {
        concat!(
            "with mode as materialized (select set_config('synchronous_commit', ",
            "case when $1 then current_setting('synchronous_commit') else 'off' end, true)), ",
            $statement
        )
    };
}

/// A new file: durability, path, content, task, due.
pub(crate) const CREATE: &str = durable_if_asked!(
    "free as (select 1 from mode where not exists (select from name where path = $2)), \
     file as (insert into body (content) select $3 from free returning id) \
     insert into name (path, body, task, due) select $2, id, $4, $5 from file returning path"
);

/// A line at the end of a file: path, line, the most bytes. Whether the file is there, and how many names it has if the
/// line fitted.
pub(crate) const APPEND: &str = "\
    with file as (select body from name where path = $1), \
    grown as (update body set content = content || $2 from file \
      where id = file.body and octet_length(content) + octet_length($2) <= $3 returning names) \
    select (select count(*) from file), (select names from grown)";

/// Another name for a file: durability, old path, new path, task, due.
pub(crate) const LINK: &str = durable_if_asked!(
    "file as (select body from name, mode where path = $2 for update of name), \
     named as (insert into name (path, body, task, due) select $3, body, $4, $5 from file \
       on conflict do nothing returning body), \
     counted as (update body set names = names + 1 from named where id = named.body returning id) \
     select (select count(*) from file), (select count(*) from counted)"
);

/// The first of several renames whose old name is there: durability, old paths, new paths, tasks, dues. Passes over a
/// name that another change is at. Which one it is, counted from 1.
pub(crate) const RENAME_ANY: &str = durable_if_asked!(
    "picked as (select asked.place, asked.target, asked.task, asked.due, name.path \
       from mode, unnest($2::text[], $3::text[], $4::bytea[], $5::int8[]) \
         with ordinality as asked (source, target, task, due, place) \
       join name on name.path = asked.source order by asked.place limit 1 for update of name skip locked) \
     update name set path = picked.target, task = picked.task, due = picked.due \
       from picked where name.path = picked.path returning picked.place"
);

/// One rename: durability, old path, new path, task, due.
pub(crate) const RENAME: &str = durable_if_asked!(
    "picked as (select path from name, mode where path = $2 for update of name) \
     update name set path = $3, task = $4, due = $5 from picked where name.path = picked.path returning 1::int8"
);

/// A line, and the rename that makes it count: durability, old path, new path, task, due, line, the most bytes. Whether
/// the file is there, and whether the line fitted.
pub(crate) const APPEND_AND_RENAME: &str = durable_if_asked!(
    "picked as (select name.path, name.body from name, mode where path = $2 for update of name), \
     grown as (update body set content = content || $6 from picked \
       where id = picked.body and octet_length(content) + octet_length($6) <= $7 returning id), \
     moved as (update name set path = $3, task = $4, due = $5 from picked, grown \
       where name.path = picked.path returning 1) \
     select (select count(*) from picked), (select count(*) from moved)"
);

/// A new file, and the rename that makes it count: durability, old path, new path, task, due, path of the new file, its
/// content. Whether the old name is there, and whether the new file's name was free.
pub(crate) const CREATE_AND_RENAME: &str = durable_if_asked!(
    "picked as (select name.path from name, mode where path = $2 for update of name), \
     free as (select path from picked where not exists (select from name where path = $6)), \
     file as (insert into body (content) select $7 from free returning id), \
     named as (insert into name (path, body) select $6, id from file), \
     moved as (update name set path = $3, task = $4, due = $5 from free where name.path = free.path returning 1) \
     select (select count(*) from picked), (select count(*) from moved)"
);

/// New files, each with a second name that makes it count: durability, paths, contents, second paths, tasks, dues. The
/// places of those whose name was free, counted from 1.
pub(crate) const CREATE_AND_LINK: &str = durable_if_asked!(
    "asked as (select a.* from mode, unnest($2::text[], $3::bytea[], $4::text[], $5::bytea[], $6::int8[]) \
       with ordinality as a (path, content, entry, task, due, place)), \
     free as (select * from asked where not exists (select from name where name.path = asked.path)), \
     file as (insert into body (names, content) \
       select 2, content from free order by place returning id), \
     numbered as (select id, row_number() over (order by id) as rank from file), \
     ranked as (select *, row_number() over (order by place) as rank from free), \
     named as (insert into name (path, body, task, due) \
       select path, id, null, null from ranked join numbered using (rank) \
       union all select entry, id, task, due from ranked join numbered using (rank) order by path) \
     select place from free"
);

/// What is there: path, content up to so many bytes.
pub(crate) const READ: &str =
    "select substr(content, 1, $2) from name join body on body.id = name.body where path = $1";

/// The first line of a file: path, the most bytes.
pub(crate) const LINE: &str = "\
    select substr(content, 1, least($2, case position('\\x0a'::bytea in content) when 0 then $2 \
      else position('\\x0a'::bytea in content) end)) from name join body on body.id = name.body where path = $1";

/// How many names a file has.
pub(crate) const NAMES_OF: &str = "select names::int8 from name join body on body.id = name.body where path = $1";

/// Whether there is a file of this path, or something below it: path, the path and `/`, the path and what follows `/`.
pub(crate) const EXISTS: &str =
    "select exists (select from name where path = $1) or exists (select from name where path >= $2 and path < $3)";

/// Removes a name, and a body that has none any more. The body is locked before its names are counted.
pub(crate) const REMOVE: &str = "\
    with gone as (delete from name where path = $1 returning body), \
    held as (select id, names from body join gone on id = gone.body for update of body), \
    counted as (update body set names = held.names - 1 from held where body.id = held.id and held.names > 1), \
    unnamed as (delete from body using held where body.id = held.id and held.names = 1) \
    select count(*) from gone";

/// All files.
pub(crate) const FILES: &str = "select path, content from name join body on body.id = name.body";

/// The first paths in a range: from, before, most.
pub(crate) const PATHS: &str = "select path from name where path >= $1 and path < $2 order by path limit $3";

/// The names right below a directory, whatever is below them: the directory and `/`, what follows all of these, how
/// many characters the former has and one more.
pub(crate) const CHILDREN: &str = "\
    with recursive child (name, path) as ( \
      (select split_part(substr(path, $3), '/', 1), path from name where path >= $1 and path < $2 order by path limit 1) \
      union all \
      select next.* from child, lateral ( \
        select split_part(substr(path, $3), '/', 1), path from name where path >= case \
          when position('/' in substr(child.path, $3)) > 0 then $1 || child.name || '0' else child.path || chr(1) end \
        and path < $2 order by path limit 1) next) \
    select name from child";

/// The first entries of several directories, as if they were one: the directories with `/`, after which place, most;
/// how much of their content.
pub(crate) const HEAD: &str = "\
    select entry.path, substr(content, 1, $4) from unnest($1::text[]) dir, lateral ( \
      select path, body, substr(path, length(dir) + 1) collate \"C\" as place from name \
      where path > dir || $2 and path < rtrim(dir, '/') || '0' order by path limit $3) entry \
    join body on body.id = entry.body order by entry.place limit $3";

/// The same of all queues: after which place, most, how much.
pub(crate) const HEAD_OF_ALL: &str = "\
    with recursive queue (dir) as ( \
      (select 'ready/' || split_part(path, '/', 2) from name \
        where path >= 'ready/' and path < 'ready0' order by path limit 1) \
      union all \
      select (select 'ready/' || split_part(path, '/', 2) from name \
        where path >= queue.dir || '0' and path < 'ready0' order by path limit 1) \
      from queue where queue.dir is not null) \
    select entry.path, substr(content, 1, $3) from queue, lateral ( \
      select path, body, substr(path, length(dir) + 2) collate \"C\" as place from name \
      where path > dir || '/' || $1 and path < dir || '0' order by path limit $2) entry \
    join body on body.id = entry.body where dir is not null order by entry.place limit $2";

/// The entries of a task: which, how much of the content.
pub(crate) const OF_TASK: &str =
    "select path, substr(content, 1, $2) from name join body on body.id = name.body where task = $1";

/// What is due: by when, after which time and path, most, how much.
pub(crate) const DUE: &str = "\
    select path, substr(content, 1, $5) from name join body on body.id = name.body \
    where due <= $1 and (due, path) > ($2, $3) order by due, path limit $4";
