"""Beyond one machine: the audit as actors on a Ray cluster, and the check as a step of a Ray Data pipeline.

crew.py    who leads: the cluster, the workers, and whose turn it is to audit which shard
actor.py   a worker
batch.py   `Check`, for `map_batches`
"""

from preflight.audit.ray.batch import Check
from preflight.audit.ray.crew import connect, engine_at

__all__ = ["Check", "connect", "engine_at"]
