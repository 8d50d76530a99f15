"""Prints the head of the next HTTP request with a given start that arrives in a network.

    python3 sniffer.py "POST /v1/chat/completions"

It runs in the network namespace of a container, and says "listening" when it does.
"""

import socket
import sys

_EVERY_PROTOCOL = 3


def main(start: bytes) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_EVERY_PROTOCOL)) as wire:
        print("listening", flush=True)
        packet = b""
        while start not in packet:
            packet = wire.recv(1 << 16)
    print(packet[packet.index(start) :].partition(b"\r\n\r\n")[0].decode())


if __name__ == "__main__":
    main(sys.argv[1].encode())
