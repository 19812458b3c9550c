"""Who a job is of: a worker that slept for too long finds that another one has its jobs."""

from __future__ import annotations

import logging
from typing import Any

from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager

log = logging.getLogger(__name__)


class OwnJobs(JobManager):
    """procrastinate's, but for that nobody ends or puts back a job that another worker does by now.

    procrastinate goes by the job's id alone: the job of the other one would be over in the middle of its
    work, and its lock free for a third one.
    """

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:
        if await self._is_its(job):
            await super().finish_job(job, status, delete_job)

    async def retry_job(self, job: Job, *given: Any, **how: Any) -> None:
        if await self._is_its(job):
            await super().retry_job(job, *given, **how)

    async def _is_its(self, job: Job) -> bool:
        """Whether the job is under way, and at the worker that it was fetched by, or at a forgotten one."""
        for found in await self.list_jobs_async(id=job.id):
            if found.status == Status.DOING.value and found.worker_id in (job.worker_id, None):
                return True
        log.warning("Another worker has %s by now.", job.call_string)
        return False
