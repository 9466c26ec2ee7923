"""The studio: a web page on this machine in which the library's own networks learn before one's eyes.

``guard`` lets nobody else in, ``app`` serves the page and speaks with it, ``messages`` holds what a page may ask to
stated budgets, ``job`` runs one network for one page in a thread, and each file of ``rooms/`` is one room.
"""

from pellucid.watching.studio.serving import serve

__all__ = ["serve"]
