"""The engine pool: local checkpoints answered by vLLM inside this process. Importing this imports no vLLM."""

from arena.engines.pool import EnginePool, problem

__all__ = ["EnginePool", "problem"]
