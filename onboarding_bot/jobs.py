"""The worker's jobs, as Dramatiq's actors. A job's arguments are ids, never a person's data."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import CurrentMessage, Middleware

from onboarding_bot.broadcasts.sender import SEND_LEASE
from onboarding_bot.errors import BotError
from onboarding_bot.observability.logs import describe, logger
from onboarding_bot.observability.tracing import current_trace, follow, read_traceparent
from onboarding_bot.outbound.due_work import DueWork
from onboarding_bot.storage.keys import QUEUE
from onboarding_bot.storage.leases import ShardWork
from onboarding_bot.wiring import Parts

URGENT, RECIPIENTS, BULK = 0, 50, 100
JOB_MS = 600_000

Actor = dramatiq.Actor[Any, Any]


@dataclass(frozen=True, slots=True)
class Jobs:
    """The actors that the scheduler puts into the queue; ``due`` has one for each kind of due work."""

    add_recipients: Actor
    send: Actor
    retention: Actor
    due: Mapping[DueWork, Actor]


class FollowTraces(Middleware):
    """Has a job continue the trace of the process that put it into the queue."""

    def before_enqueue(self, _broker: Any, message: Any, _delay: int | None) -> None:
        """Put the current trace into the message's options."""
        message.options["traceparent"] = current_trace().traceparent()

    def before_process_message(self, _broker: Any, message: Any) -> None:
        """Continue the trace that the message names."""
        follow(read_traceparent(message.options.get("traceparent")))


def declare_jobs(broker: RedisBroker, parts: Parts) -> Jobs:
    """Declare every actor on this broker."""
    broker.add_middleware(CurrentMessage())
    broker.add_middleware(FollowTraces())

    def job(name: str, work: Callable[..., None], priority: int) -> Actor:
        # No retries of Dramatiq's own: the scheduler puts a job in again as long as there is something to do.
        return dramatiq.actor(
            broker=broker, actor_name=name, queue_name=QUEUE, priority=priority, max_retries=0, time_limit=JOB_MS
        )(_logged(name, work, priority))

    def send_and_go_on(broadcast_id: str, shard: int) -> None:
        # A job that waited for longer than its lease may have a successor in the queue: one of the two is enough.
        if _waited() > SEND_LEASE and not parts.storage.leases.take(broadcast_id, shard, ShardWork.SEND, SEND_LEASE):
            return
        if parts.broadcasts.sender.run(broadcast_id, shard):
            send.send(broadcast_id, shard)

    def add_recipients_and_go_on(broadcast_id: str, shard: int, *rest: int) -> None:
        parts.broadcasts.audience.add_recipients(broadcast_id, shard)
        if rest:
            add_recipients.send(broadcast_id, *rest)

    add_recipients = job("enrol", add_recipients_and_go_on, RECIPIENTS)
    send = job("pump", send_and_go_on, BULK)
    return Jobs(
        add_recipients=add_recipients,
        send=send,
        retention=job("retention", parts.people.retention.run, BULK),
        due={
            DueWork.REMINDER: job("nudge", parts.conversation.reminders.remind, URGENT),
            DueWork.OTP: job("otp", parts.conversation.otp_retry.retry, URGENT),
            DueWork.MESSAGES: job("delete_messages", parts.people.message_deletions.run, BULK),
            DueWork.BROADCAST: job("begin", parts.broadcasts.service.begin, URGENT),
        },
    )


def _waited() -> timedelta:
    """How long the job at hand stood in the queue."""
    message = CurrentMessage.get_current_message()
    return timedelta(milliseconds=time.time() * 1000 - message.message_timestamp) if message else timedelta()


def _logged(name: str, work: Callable[..., None], priority: int) -> Callable[..., None]:
    # A broadcast is thousands of jobs; what happens to it has lines of its own.
    level = logging.DEBUG if priority > URGENT else logging.INFO

    def run(*ids: str | int) -> None:
        began, outcome = time.monotonic(), "failed"
        try:
            work(*ids)
            outcome = "done"
        except BotError as error:
            outcome = "postponed"
            logger().error("job_postponed", job=name, code=error.code, **describe(error))
        finally:
            duration = round(time.monotonic() - began, 4)
            logger().log(level, "job", job=name, outcome=outcome, duration=duration)

    return run
