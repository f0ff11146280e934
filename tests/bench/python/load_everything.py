"""A queue as scripts have it: a JSON file for each task and one for each claim, all of them read for every claim.

    load_everything.py fill  DIRECTORY COUNT
    load_everything.py claim DIRECTORY
"""

import json
import os
import sys
import time
import uuid

LEASE_SECONDS = 3600


def main():
    job, directory, *rest = sys.argv[1:]
    if job == "fill":
        fill(directory, int(rest[0]))
    else:
        claimed = claim(directory, f"agent-{os.getpid()}")
        print(json.dumps({"claimed": claimed}))
        sys.exit(0 if claimed else 1)


def fill(directory, count):
    for part in ("tasks", "claims"):
        os.makedirs(os.path.join(directory, part), exist_ok=True)
    for number in range(count):
        payload = {"url": f"https://example.org/pages/{number}", "depth": number % 5, "note": "look at the links first"}
        task = {"id": str(uuid.uuid4()), "title": f"Review page {number}", "priority": 0, "created_at": time.time(), "payload": payload}
        with open(os.path.join(directory, "tasks", task["id"] + ".json"), "x") as file:
            json.dump(task, file)


def claim(directory, agent):
    """The waiting task of the highest priority, the oldest among equals: whoever makes the file of its claim first has it."""
    now = time.time()
    claims = {held["id"]: held for held in loaded(directory, "claims")}
    waiting = [task for task in loaded(directory, "tasks") if task["id"] not in claims]
    for task in sorted(waiting, key=lambda task: (-task["priority"], task["created_at"])):
        held = {"id": task["id"], "agent": agent, "claimed_at": now, "expires_at": now + LEASE_SECONDS}
        try:
            with open(os.path.join(directory, "claims", task["id"] + ".json"), "x") as file:
                json.dump(held, file)
        except FileExistsError:
            continue
        return task
    return None


def loaded(directory, part):
    place = os.path.join(directory, part)
    for name in os.listdir(place):
        with open(os.path.join(place, name)) as file:
            yield json.load(file)


if __name__ == "__main__":
    main()
