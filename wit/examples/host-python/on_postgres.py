"""The queue on a PostgreSQL server, embedded as muse-coord-sql.wasm: `host.py` with a server instead of a directory.

    on_postgres.py COMPONENT SCHEMA CONNINFO RUN_ID init | enqueue TITLE... | work

CONNINFO is what libpq takes, such as postgres://me@db.example/work or "service=work". Where it says nothing else, another
machine is reached by TLS alone, and its certificate is verified. Passwords and services are found where libpq looks.

The component brings the SQL. This program passes each statement on and answers with the rows as texts, which is what libpq
has at hand: psycopg's cursors would make Python's values of them first.
"""

import sys
from select import select

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict
from wasmtime import WasmtimeError
from wasmtime.component import Variant

from host import Library, Refused, enqueue, record, work

# In seconds: a server that does not answer for longer is not waited for.
PATIENCE = 40

USAGE = "usage: on_postgres.py COMPONENT SCHEMA CONNINFO RUN_ID init | enqueue TITLE... | work"


class Server:
    """What answers the component's import `muse:coord/sql`: one connection, which is made when it is needed."""

    def __init__(self, schema, conninfo):
        try:
            options = conninfo_to_dict(conninfo)
        except psycopg.Error:
            # What libpq says repeats what it cannot read, which may be a password.
            sys.exit("error: libpq cannot read CONNINFO")
        host = options.get("host", "")
        if host and not host.startswith(("/", "@")) and host not in ("localhost", "127.0.0.1", "::1"):
            options = {"sslmode": "verify-full", "sslrootcert": "system"} | options
        self.options = {"connect_timeout": 10, "client_encoding": "UTF8"} | options
        self.place = {"name": f"postgres://{host}/{options.get('dbname', '')}", "schema": schema}
        self.connection = None

    def link(self, linker, imports):
        """Gives a component the two functions."""
        with linker.root() as root, root.add_instance(imports["muse:coord/sql"]) as sql:
            sql.add_func("whereabouts", lambda _: record(self.place))
            sql.add_func("query", lambda _, statement, values: self.query(statement, values))

    def query(self, statement, values):
        """The rows that answer a statement, or the case of `failure` in wit/sql.wit that says why there are none."""
        if self.connection is None or self.connection.pgconn.status != pq.ConnStatus.OK:
            try:
                self.connection = psycopg.connect(autocommit=True, **self.options)
            except psycopg.Error as error:
                return Variant("unreached", str(error))
        try:
            result = self.result(statement.encode(), [None if value is None else value.encode() for value in values])
        except (psycopg.Error, TimeoutError) as error:
            self.connection.close()
            return Variant("lost", str(error))
        if result.status in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
            columns = range(result.nfields)
            return [[text(result.get_value(row, column)) for column in columns] for row in range(result.ntuples)]
        code = text(result.error_field(pq.DiagnosticField.SQLSTATE))
        if code is None:
            return Variant("lost", text(result.error_message))
        severity = text(result.error_field(pq.DiagnosticField.SEVERITY_NONLOCALIZED))
        message = text(result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY))
        return Variant("refused", record({"code": code, "message": message, "is-fatal": severity != "ERROR"}))

    def result(self, statement, values):
        """What the server answers: the first result, as a statement has one."""
        connection = self.connection.pgconn
        connection.send_query_params(statement, values)
        while connection.is_busy():
            if not select([connection.socket], [], [], PATIENCE)[0]:
                raise TimeoutError(f"the server has not answered in {PATIENCE} seconds")
            connection.consume_input()
        result = connection.get_result()
        while connection.get_result():
            pass
        return result


def text(value):
    return None if value is None else value.decode()


def main(arguments):
    match arguments:
        case [component, schema, conninfo, run_id, command, *titles] if command == "enqueue" or not titles:
            library = Library(component, link=Server(schema, conninfo).link)
        case _:
            sys.exit(USAGE)
    match command:
        case "init":
            print("created" if library.call("admin", "init") else "already there")
        case "enqueue":
            enqueue(library, run_id, titles)
        case "work":
            work(library, run_id)
        case _:
            sys.exit(USAGE)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (Refused, WasmtimeError) as error:
        sys.exit(f"error: {error}")
