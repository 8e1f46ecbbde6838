"""Which runs of a store on a server are being worked on, by whom: a lock of PostgreSQL's that ends with the session that took it.

A process that ends, however it ends, closes its session; one whose machine is gone is missed by the server within a minute
(`_NOTICED`). Looking takes no lock. Where the session alone is cut off, the lock is free while its run goes on: then two
may write the same texts, of which the store keeps the first.
"""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Collection

from sqlalchemy import Connection, Engine, text

_NOTICED = ("tcp_keepalives_idle = 20", "tcp_keepalives_interval = 10", "tcp_keepalives_count = 3")
# A server may end sessions that are idle for long, and one that holds a run is idle all the while. PostgreSQL knows it since 14.
_NEVER_IDLE = text(
    "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout' AND setting <> '0'"
)
_HELD = text(
    "SELECT activity.application_name, locks.classid::bigint AS high, locks.objid::bigint AS low "
    "FROM pg_locks AS locks JOIN pg_stat_activity AS activity USING (pid) "
    "WHERE locks.locktype = 'advisory' AND locks.granted AND locks.objsubid = 1 "
    "AND locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def claim(engine: Engine, run_id: str) -> tuple[Connection | None, str]:
    """Return the session that holds a run from now on, to be closed at the end; or None, and who holds it."""
    session = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        session.detach()  # not for others afterwards
        me = f"process {os.getpid()} on {socket.gethostname()}"
        session.execute(text("SELECT set_config('application_name', :me, false)"), {"me": me[:63]})
        for setting in _NOTICED:
            session.execute(text(f"SET {setting}"))
        session.execute(_NEVER_IDLE)
        if session.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _key(run_id)}).scalar():
            return session, me
        holder = _holders(session).get(_key(run_id), "another process")
    except BaseException:
        session.close()
        raise
    session.close()
    return None, holder


def held(connection: Connection, run_ids: Collection[str]) -> set[str]:
    """Return those runs that somebody works on."""
    holders = _holders(connection)
    return {run_id for run_id in run_ids if _key(run_id) in holders}


def _holders(connection: Connection) -> dict[int, str]:
    return {_signed(row.high, row.low): row.application_name for row in connection.execute(_HELD)}


def _key(run_id: str) -> int:
    return int.from_bytes(hashlib.sha256(f"bakeoff run {run_id}".encode()).digest()[:8], "big", signed=True)


def _signed(high: int, low: int) -> int:
    """PostgreSQL shows the two halves of a key as unsigned numbers."""
    return int.from_bytes(((high << 32) | low).to_bytes(8, "big"), "big", signed=True)
