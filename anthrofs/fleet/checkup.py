"""The check of a whole fleet, as it was named: its key, its store, its board."""

import secrets
from collections.abc import Iterator

from anthrofs.clock import Clock
from anthrofs.config import Credentials, Fleet, Service
from anthrofs.errors import EXIT_FAILED, BoardAway, SetupError, StoreAway
from anthrofs.fleet import keys, store_words
from anthrofs.fleet.check import Finding, check_board, check_store
from anthrofs.fleet.membership import Membership
from anthrofs.model import Workspace


def check_fleet(fleet: Fleet, clock: Clock) -> Iterator[Finding]:
    """Yields what is found, good or bad. Raises SetupError for a key, a store or a board that can't be used at all."""
    found = keys.read(fleet.key_path)
    if fleet.store_url is not None:
        from anthrofs.fleet.objects import objects_of  # noqa: PLC0415 - its library may be missing, if there is none

        try:
            yield from check_store(objects_of(fleet.store_url, clock), found, clock)
        except StoreAway as exc:
            raise SetupError(f"The store can't be used: {exc}.", store_words.exit_code(str(exc))) from None
    if fleet.board_url is not None:
        from anthrofs.fleet.valkey_board import ValkeyBoard  # noqa: PLC0415 - the same

        membership = Membership(Service("", Credentials("", "")), "fleet check")
        membership.join(Workspace(f"check-{secrets.token_hex(8)}", "check"))
        board = ValkeyBoard(fleet, membership, clock)
        try:
            yield from check_board(board, clock)
        except BoardAway as exc:
            raise SetupError(f"The board can't be used: {exc}.", EXIT_FAILED) from None
        finally:
            board.close()
