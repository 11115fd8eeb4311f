"""Work nobody waits for, and work that must not be lost."""

from romantic.jobs.queue import GiveUp, Job, Retry, announce, enqueue
from romantic.jobs.worker import add_job, jobs, settled

__all__ = ("GiveUp", "Job", "Retry", "add_job", "announce", "enqueue", "jobs", "settled")
