"""A Celery worker and who gives it work: queues, results, a chord, retries and remote control, as applications use them.

Arguments: port. Its keys share a slot by their prefix, as Celery wants it for a Redis Cluster.
"""
import sys

import celery
from celery.contrib.testing.worker import start_worker

port = int(sys.argv[1])
server = f"redis://127.0.0.1:{port}/0"
app = celery.Celery("work", broker=server, backend=server)
app.conf.update(
    broker_transport_options={"global_keyprefix": "{celery}"},
    result_backend_transport_options={"global_keyprefix": "{celery}"},
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
)
tried = []


@app.task
def add(a, b):
    return a + b


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def fail(word):
    raise ValueError(word)


@app.task(bind=True, max_retries=2)
def third_time(self):
    tried.append(self.request.retries)
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    return "done"


def say(what, value):
    print(what, repr(value))


WAIT = 30
with start_worker(app, pool="solo", perform_ping_check=False, loglevel="CRITICAL"):
    say("add", add.delay(2, 3).get(timeout=WAIT))
    say("chain", (add.s(1, 2) | add.s(10)).apply_async().get(timeout=WAIT))
    say("group", celery.group(add.s(n, n) for n in range(20)).apply_async().get(timeout=WAIT))
    say("chord", celery.chord((add.s(n, 1) for n in range(10)), total.s()).apply_async().get(timeout=WAIT))
    try:
        fail.delay("bad").get(timeout=WAIT)
    except ValueError as error:
        say("fails", error)
    say("retries", (third_time.delay().get(timeout=WAIT), tried))
    say("later", add.apply_async((1, 1), countdown=0.2).get(timeout=WAIT))
    say("priority", add.apply_async((5, 5), priority=9).get(timeout=WAIT))
    result = add.delay(7, 7)
    result.get(timeout=WAIT)
    say("state", result.state)
    say("forget", result.forget())
    say("control", [list(answer.values()) for answer in app.control.ping(timeout=2, limit=1)])
say("done", True)
