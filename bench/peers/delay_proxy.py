#!/usr/bin/env python3
"""Passes TCP connections on to a port and holds every chunk of a request back for a while.

    delay_proxy.py PORT MILLISECONDS

Prints the port that it listens on. Chunks of answers pass at once, so a request takes as much longer
as it would over a network with this round-trip time.
"""

import asyncio
import sys


class Side(asyncio.Protocol):
    """One end of a connection; what comes in goes out at `peer` after `delay` seconds."""

    def __init__(self, delay):
        self.delay = delay
        self.peer = None  # transport of the other end
        self.waiting = []

    def connection_made(self, transport):
        self.transport = transport

    def join(self, peer):
        self.peer = peer
        for data in self.waiting:
            self.pass_on(data)

    def pass_on(self, data):
        if self.delay:
            asyncio.get_running_loop().call_later(self.delay, self.peer.write, data)
        else:
            self.peer.write(data)

    def data_received(self, data):
        if self.peer:
            self.pass_on(data)
        else:
            self.waiting.append(data)

    def connection_lost(self, error):
        if self.peer:
            self.peer.close()


class Client(Side):
    def __init__(self, port, delay):
        super().__init__(delay)
        self.port = port

    def connection_made(self, transport):
        super().connection_made(transport)
        self.task = asyncio.get_running_loop().create_task(self.connect())

    async def connect(self):
        server = Side(0)
        await asyncio.get_running_loop().create_connection(lambda: server, "127.0.0.1", self.port)
        server.join(self.transport)
        self.join(server.transport)


async def main():
    port, delay = int(sys.argv[1]), float(sys.argv[2]) / 1000
    listening = await asyncio.get_running_loop().create_server(
        lambda: Client(port, delay), "127.0.0.1", 0, backlog=1024)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await listening.serve_forever()


asyncio.run(main())
