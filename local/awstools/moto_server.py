"""Runs moto's server, with one request of DynamoDB at a time.

moto serves requests in threads and has no lock: it checks a condition and then writes, and
a transaction that fails puts the whole table back as it was before. Two requests at once
break what DynamoDB promises. One at a time they keep it. SQS keeps its threads, since a
receive waits.
"""

import sys
import threading

from moto import server
from moto.server import DomainDispatcherApplication

one_at_a_time = threading.Lock()


class Dispatcher(DomainDispatcherApplication):
    def __call__(self, environ, start_response):
        if not environ.get("HTTP_X_AMZ_TARGET", "").startswith("DynamoDB_"):
            return super().__call__(environ, start_response)
        with one_at_a_time:
            return super().__call__(environ, start_response)


server.DomainDispatcherApplication = Dispatcher
sys.exit(server.main())
