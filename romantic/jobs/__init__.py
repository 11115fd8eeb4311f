"""Work nobody waits for, and work that must not be lost."""

from romantic.jobs.queue import GiveUp, Job, Retry, enqueue
from romantic.jobs.worker import add_job, jobs, settled

__all__ = ("GiveUp", "Job", "Retry", "add_job", "enqueue", "jobs", "settled")
