"""The tables of the store: records as their JSON beside the few columns that queries need.

A table that came after the first release is made where it is missing; nothing else has changed since, so that the version is the first.
"""

from __future__ import annotations

from sqlalchemy import Column, Integer, MetaData, String, Table, Text

SCHEMA_VERSION = 1

METADATA = MetaData()
INFO = Table("info", METADATA, Column("key", String(64), primary_key=True), Column("value", Text, nullable=False))
RUNS = Table(
    "runs",
    METADATA,
    Column("run_id", String(64), primary_key=True),
    Column("suite", String(200), nullable=False),
    Column("started", String(40), nullable=False, index=True),
    Column("state", String(20), nullable=False),
    Column("plan", Text, nullable=False),  # of runs that began before there was a table of plans
    Column("result", Text),
    Column("elapsed_ms", Integer, nullable=False, default=0),
)
PLANS = Table(
    "plans",
    METADATA,
    Column("run_id", String(64), primary_key=True),
    Column("plan", Text, nullable=False),
)
"""Megabytes each, and never changed: in the row of the run, which changes all the time, they would be written each time."""
GENERATIONS = Table(
    "generations",
    METADATA,
    Column("run_id", String(64), primary_key=True),
    Column("trial", String(64), primary_key=True),
    Column("candidate", Text, nullable=False),  # a path has no length that one could count on
    Column("brief", String(200), nullable=False),
    Column("failed", Integer, nullable=False),
    Column("record", Text, nullable=False),
)
SCORES = Table(
    "scores",
    METADATA,
    Column("run_id", String(64), primary_key=True),
    Column("trial", String(64), primary_key=True),
    Column("scorer", String(64), primary_key=True),
    Column("record", Text, nullable=False),
)
LOADS = Table(
    "loads",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("run_id", String(64), nullable=False, index=True),
    Column("record", Text, nullable=False),
)
EVENTS = Table(
    "events",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("run_id", String(64), nullable=False, index=True),
    Column("record", Text, nullable=False),
)
LABELS = Table(
    "labels",
    METADATA,
    Column("run_id", String(64), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("record", Text, nullable=False),
)
JUDGEMENTS = Table(
    "judgements",
    METADATA,
    Column("key", String(64), primary_key=True),
    Column("record", Text, nullable=False),
)
JUDGES = Table(
    "judges",
    METADATA,
    Column("run_id", String(64), primary_key=True),
    Column("judge", String(500), primary_key=True),
    Column("record", Text, nullable=False),
)
ENERGY = Table(
    "energy",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("run_id", String(64), nullable=False, index=True),
    Column("record", Text, nullable=False),
)
CALIBRATION = Table(
    "calibration",
    METADATA,
    Column("key", String(64), primary_key=True),
    Column("record", Text, nullable=False),
)
