-- A queue: names, each leading to a body, which several names may share.
--
-- `path` is the path of a file in the coordination directory. `task` and `due` are parts of it, by which names are
-- looked for: `coord_core::layout::task_of` and `due_at`. Names compare byte by byte. `names` counts those of a body.
--
-- A `waiter` is a connection that wants to know of names that begin like one of `dirs`. Nothing is lost with it, so it
-- is not in the server's log.

create table {s}.meta (
  version integer not null
);

create table {s}.body (
  id bigint generated always as identity primary key,
  names integer not null default 1,
  content bytea not null
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

create table {s}.name (
  path text collate "C" primary key,
  body bigint not null,
  task bytea,
  due bigint
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

create index name_task on {s}.name (task) where task is not null;
create index name_due on {s}.name (due, path) where due is not null;

create unlogged table {s}.waiter (
  id integer primary key,
  until timestamptz not null,
  dirs text[] not null
);
