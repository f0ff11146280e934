"""Agents in Python, for the queues from PyPI: the same as `coord-bench agent` for the others.

    agent.py fill  --contender NAME --directory D --count N
    agent.py agent --contender NAME --directory D --run-id R --work-micros W
    agent.py ended --contender NAME --directory D

An agent says `ready`, waits for a line, works until there is nothing to claim, and tells how many tasks it completed.
"""

import argparse
import json
import os
import time


class Litequeue:
    """A table of SQLite in WAL mode; `pop` is one `UPDATE ... RETURNING`."""

    def __init__(self, directory):
        from litequeue import LiteQueue

        self.queue = LiteQueue(os.path.join(directory, "queue.db"), timeout=300)

    def put(self, task):
        self.queue.put(task)

    def claim(self):
        message = self.queue.pop()
        if message is None:
            return None
        json.loads(message.data)
        return message.message_id

    def complete(self, held):
        self.queue.done(held)

    def ended(self):
        if not self.queue.empty():
            raise SystemExit("tasks are left")
        return self.queue.conn.execute("SELECT count(*) FROM Queue WHERE status = 2").fetchone()[0]


class PersistQueue:
    """Its SQLite queue with acknowledgement, which one process at a time may work on."""

    def __init__(self, directory):
        from persistqueue import SQLiteAckQueue

        self.queue = SQLiteAckQueue(directory, auto_commit=True, multithreading=True)

    def put(self, task):
        self.queue.put(task)

    def claim(self):
        from persistqueue.exceptions import Empty

        try:
            item = self.queue.get(block=False, raw=True)
        except Empty:
            return None
        json.loads(item["data"])
        return item["pqid"]

    def complete(self, held):
        self.queue.ack(id=held)

    def ended(self):
        if self.queue.size:
            raise SystemExit("tasks are left")
        return self.queue.acked_count()


class Dirq:
    """Files in directories of a minute each; a lock is a hard link beside the file."""

    def __init__(self, directory):
        from dirq.QueueSimple import QueueSimple

        self.directory = directory
        self.queue = QueueSimple(os.path.join(directory, "queue"))
        self.names = iter(self.queue)

    def put(self, task):
        self.queue.add(task)

    def claim(self):
        # Who comes to the end looks once more from the beginning, for somebody may have given a task back.
        for _ in range(2):
            for name in self.names:
                if self.queue.lock(name):
                    json.loads(self.queue.get(name))
                    return name
            self.names = iter(self.queue)
        return None

    def complete(self, held):
        self.queue.remove(held)
        # It forgets what it removed, so it is counted here.
        with open(os.path.join(self.directory, "ended"), "a") as ended:
            ended.write(".")

    def ended(self):
        if self.queue.count():
            raise SystemExit("tasks are left")
        return os.path.getsize(os.path.join(self.directory, "ended"))


CONTENDERS = {"litequeue": Litequeue, "persist-queue": PersistQueue, "dirq": Dirq}


def main():
    options = parsed()
    contender = CONTENDERS[options.contender]
    os.makedirs(options.directory, exist_ok=True)
    {"fill": fill, "agent": agent, "ended": ended}[options.job](contender(options.directory), options)


def parsed():
    parser = argparse.ArgumentParser()
    parser.add_argument("job", choices=["fill", "agent", "ended"])
    parser.add_argument("--contender", choices=CONTENDERS, required=True)
    parser.add_argument("--directory", required=True)
    parser.add_argument("--count", type=int)
    parser.add_argument("--run-id")
    parser.add_argument("--work-micros", type=int)
    return parser.parse_args()


def fill(queue, options):
    for number in range(options.count):
        payload = {"url": f"https://example.org/pages/{number}", "depth": number % 5, "note": "look at the links first"}
        queue.put(json.dumps({"title": f"Review page {number}", "payload": payload}))


def agent(queue, options):
    print("ready", flush=True)
    input()
    completed = 0
    while (held := queue.claim()) is not None:
        if options.work_micros:
            time.sleep(options.work_micros / 1e6)
        queue.complete(held)
        completed += 1
    print(completed, flush=True)


def ended(queue, _options):
    print(queue.ended())


if __name__ == "__main__":
    main()
