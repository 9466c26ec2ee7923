"""``torchrun --rdzv-backend loopback``: where the processes of one machine meet, closed to all others.

torchrun's own rendezvous listens on every address of the machine. This one is its static rendezvous, which restarted
processes find again, over a socket that is bound to 127.0.0.1. torchrun finds it as an entry point of Pellucid.
"""

import socket
from typing import Any

__all__ = ["handler"]

ADDRESS = "127.0.0.1"


def handler() -> Any:
    """Return what makes torchrun's rendezvous from its parameters."""
    from torch.distributed import TCPStore
    from torch.distributed.elastic.rendezvous.static_tcp_rendezvous import StaticTCPRendezvous

    class Loopback(StaticTCPRendezvous):
        def get_backend(self) -> str:
            return "loopback"

    def create(parameters: Any) -> Any:
        if parameters.max_nodes != 1:
            raise ValueError("the rendezvous `loopback` is for the processes of one machine; use --rdzv-backend static")
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.bind((ADDRESS, 0))
        listener.listen()
        port = listener.getsockname()[1]
        timeout = int(parameters.config.get("timeout", 600))
        made = Loopback(ADDRESS, port, 0, 1, parameters.run_id, timeout)
        made._store = TCPStore(
            ADDRESS, port, 1, True, made.timeout, multi_tenant=True, master_listen_fd=listener.detach()
        )
        return made

    return create
