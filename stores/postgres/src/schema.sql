-- A queue: names, each leading to a body, which several names may share.
--
-- `path` is the path of a file in the coordination directory. `task` and `due` are parts of it, by which names are
-- looked for: `coord_core::layout::task_of` and `due_at`. Names compare byte by byte. `names` counts those of a body.

create table meta (
  version integer not null
);

create table body (
  id bigint generated always as identity primary key,
  names integer not null default 1,
  content bytea not null
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

create table name (
  path text collate "C" primary key,
  body bigint not null,
  task bytea,
  due bigint
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

create index name_task on name (task) where task is not null;
create index name_due on name (due, path) where due is not null;
