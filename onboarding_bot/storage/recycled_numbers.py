"""Phone numbers that went to another person: the earlier holder loses them, or a silent record under them is hidden."""

from __future__ import annotations

from dataclasses import replace

from onboarding_bot.conversation.consent import with_opt_out
from onboarding_bot.observability.logs import logger
from onboarding_bot.storage.address_holders import AddressHolder
from onboarding_bot.storage.aliases import Alias, Aliases, AliasKind, ConcurrentChangeError
from onboarding_bot.storage.connection import AnyRedis
from onboarding_bot.storage.encryption import HEAD_BYTES
from onboarding_bot.storage.keys import Keys
from onboarding_bot.storage.records import Sealer
from onboarding_bot.storage.redis_errors import unavailable_on_error
from onboarding_bot.storage.redis_session_store import RedisSessionStore
from onboarding_bot.storage.scripts import Scripts
from onboarding_bot.storage.session_store import Conflict, StoredPerson


class RecycledNumbers:
    """Takes phone numbers from their earlier holders.

    Every method raises StoreUnavailableError when Redis does not answer in time, and ConcurrentChangeError when the
    earlier holder's record changed since it was loaded.
    """

    def __init__(
        self, client: AnyRedis, person_keys: Keys, sealer: Sealer, store: RedisSessionStore, aliases: Aliases
    ) -> None:
        self._keys = person_keys
        self._sealer = sealer
        self._store = store
        self._aliases = aliases
        self._scripts = Scripts(client)

    def reassign(self, number: str, holder: AddressHolder, person: StoredPerson) -> bytes:
        """Take the number from ``holder``, who is written to by user id from now on; returns the number's new alias.

        Where the number's own hash is the earlier holder's id, it leads to ``person`` at once; otherwise to nobody.
        """
        own, earlier = self._keys.person_id(number), holder.person
        if earlier.person_id == own:
            passed_on = Alias(person.person_id, AliasKind.PASSED_ON).to_value()
            self._release(number, earlier, passed_on)
            return passed_on
        # First of all nothing goes to the number any more in the name of its earlier holder.
        self._release(number, earlier, b"")
        released = Alias(earlier.person_id, AliasKind.RELEASED).to_value()
        self._aliases.replace(own, released, holder.alias)
        return released

    def _release(self, number: str, earlier: StoredPerson, alias: bytes) -> None:
        link, contact, own = earlier.link, earlier.contact, earlier.person_id
        if link is None or link.user_id is None:
            raise ConcurrentChangeError
        moved = replace(contact, address=link.user_id) if contact and contact.address == number else contact
        sealed_contact = b""
        if moved and earlier.contact_version:
            sealed_contact = self._sealer.seal(moved.to_record(), "contact", own)
        with unavailable_on_error():
            done = self._scripts.run(
                "release_number",
                {
                    "contact": self._keys.contact(own),
                    "link": self._keys.link(own),
                    "alias": self._keys.alias(own),
                },
                {
                    "version_bytes": HEAD_BYTES,
                    "contact_version": earlier.contact_version,
                    "contact": sealed_contact,
                    "link": self._sealer.seal(link.without(number).to_record(), "link", own),
                    "alias": alias,
                },
            )
        if not done:
            raise ConcurrentChangeError
        logger().info("number_passed_on", person_id=own)

    def hide_silent_record(self, silent: StoredPerson, person: StoredPerson) -> StoredPerson:
        """Hide a record under whose number ``person`` writes now; only its opt-out is taken over, and first.

        Returns the person as stored now.
        """
        own = silent.person_id
        if silent.contact and silent.contact.opt_out:
            amended = self._store.amend(person, with_opt_out(person.contact, silent.contact.opt_out))
            if isinstance(amended, Conflict):
                raise ConcurrentChangeError
            person = amended
        with unavailable_on_error():
            done = self._scripts.run(
                "hide_silent_record",
                {
                    "session": self._keys.session(own),
                    "contact": self._keys.contact(own),
                    "permit": self._keys.permit(own),
                    "alias": self._keys.alias(own),
                },
                {
                    "version_bytes": HEAD_BYTES,
                    "session_version": silent.session_version,
                    "contact_version": silent.contact_version,
                    "alias": Alias(person.person_id, AliasKind.HIDDEN).to_value(),
                },
            )
        if not done:
            raise ConcurrentChangeError
        logger().info("silent_record_hidden", person_id=person.person_id)
        return person
