"""The queue, embedded in a Python program as the component muse-coord.wasm, by wasmtime from PyPI.

    host.py COMPONENT DIR RUN_ID enqueue TITLE... | work [--sync off]

`enqueue` adds tasks; `work` does them: it claims until there has been nothing for a second, and completes each. DIR is a
.muse/coordination, which `muse coord` and other hosts may be working in as well. With `--sync off` nothing is synced, for
queues that are thrown away.

What is as in wit/ and what is not, in this version of wasmtime:
- A record is an object whose attributes have the names of the WIT, hyphens and all: `vars(task)["task-id"]`.
- A result is its value, or a `Variant` (`.tag`, `.payload`), which then is the error; `call` below raises it. An option is
  its value or None, an enum its name, a resource an object that has to be dropped by hand.
- Every file operation is sent to another thread and waited for; there is no way to say that it need not be. So a call
  takes several times as long as in a host in Rust.
- All of WASI 0.2 is linked, sockets too. The component imports none of it but files, clocks and randomness.
"""

import sys
from contextlib import contextmanager

from wasmtime import Engine, Store, WasiConfig, WasmtimeError
from wasmtime.component import Component, Linker, Record, Variant

# A record needs all of its fields: these are left out, but for the title.
NEW_TASK = {"title": "", "priority": 0, "queue": None, "ttl-seconds": None, "run-id": None, "tags": [], "payload": None}
NEW_TASK |= {"max-attempts": None, "backoff-seconds": None, "backoff-max-seconds": None, "delay-seconds": None, "at": None}
NEW_TASK |= {"after": [], "if-parent-fails": None, "unique": None}
CLAIM_OPTIONS = {"run-id": None, "queues": [], "lease-seconds": None, "wait-seconds": None}
CLAIM_OPTIONS |= {"tags": [], "any-tags": [], "exclude-tags": []}

USAGE = "usage: host.py COMPONENT DIR RUN_ID enqueue TITLE... | work [--sync off]"


class Refused(Exception):
    """The queue did not do what was asked: `tag` is a case of `error` in wit/types.wit, `facts` what it carries."""

    def __init__(self, error):
        self.tag = error.tag
        self.facts = vars(error.payload) if isinstance(error.payload, Record) else error.payload
        super().__init__(f"{self.tag}: {self.facts}")


class Library:
    """The component at work in one directory, which must exist, or on what `link` gives it.

    For one thread at a time."""

    def __init__(self, component, directory=None, link=None):
        engine = Engine()
        wasi = WasiConfig()
        self.store = Store(engine)
        library = Component.from_file(engine, component)
        linker = Linker(engine)
        linker.add_wasip2()
        if directory:
            wasi.preopen_dir(directory, "coordination")
        if link:
            link(linker, whole(library.type.imports(engine)))
        self.store.set_wasi(wasi)
        self.interfaces = whole(library.type.exports(engine))
        self.instance = linker.instantiate(self.store, library)
        self.functions = {}

    def call(self, interface, name, *arguments):
        """Calls `queue` or `admin`, with the names that they have in wit/. A method's name is "[method]lease.task"."""
        answer = self._function(interface, name)(self.store, *arguments)
        if isinstance(answer, Variant):
            raise Refused(answer)
        return vars(answer) if isinstance(answer, Record) else answer

    def _function(self, interface, name):
        if (interface, name) not in self.functions:
            scope = self.instance.get_export_index(self.store, self.interfaces[f"muse:coord/{interface}"])
            index = self.instance.get_export_index(self.store, name, scope)
            self.functions[interface, name] = self.instance.get_func(self.store, index)
        return self.functions[interface, name]

    def enqueue(self, title, run_id):
        return vars(self.call("queue", "enqueue", record(NEW_TASK | {"title": title, "run-id": run_id}))["task"])

    @contextmanager
    def claim(self, run_id):
        """The lease of the next task, or None: there was nothing to claim for a second. The handle is dropped at the end; a task that was
        not completed by then stays held until its lease runs out."""
        lease = self.call("queue", "claim", record(CLAIM_OPTIONS | {"run-id": run_id, "wait-seconds": 1}))
        try:
            yield lease
        finally:
            if lease is not None:
                lease.drop(self.store)

    def task(self, lease):
        return self.call("queue", "[method]lease.task", lease)

    def complete(self, lease, result):
        return self.call("queue", "[method]lease.complete", lease, result)

    def set_durability(self, durability):
        self.call("admin", "set-durability", durability)


def whole(names):
    """Each interface's whole name, which ends with the version that the component has, by "muse:coord/queue"."""
    return {name.partition("@")[0]: name for name in names}


def record(fields):
    made = Record()
    vars(made).update(fields)
    return made


def enqueue(library, run_id, titles):
    for title in titles:
        print(library.enqueue(title, run_id)["task-id"])


def work(library, run_id):
    while True:
        with library.claim(run_id) as lease:
            if lease is None:
                return
            task = library.task(lease)
            # A real host does the task here, with a heartbeat now and then.
            library.complete(lease, '{"host":"python"}')
            print(task["task-id"], printable(task["title"]), flush=True)


def printable(text):
    """What others wrote, without what would steer a terminal."""
    return "".join(character for character in text if character.isprintable())


def main(arguments):
    match arguments:
        case [component, directory, run_id, "enqueue", *titles]:
            enqueue(Library(component, directory), run_id, titles)
        case [component, directory, run_id, "work", *options] if options in ([], ["--sync", "off"]):
            library = Library(component, directory)
            if options:
                library.set_durability("unsynced")
            work(library, run_id)
        case _:
            sys.exit(USAGE)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (Refused, WasmtimeError) as error:
        sys.exit(f"error: {error}")
