"""How an address looks to those who need not know it."""

from __future__ import annotations

import pytest

from onboarding_bot.web.api.recipients_csv import masked


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("whatsapp:+919876543210", "whatsapp:+91******3210"),
        ("whatsapp:+14155238886", "whatsapp:+14******8886"),
        ("whatsapp:IN.1234567890", "whatsapp:IN.******7890"),
        ("whatsapp:+9198765", "whatsapp:+91******"),
        ("whatsapp:in.1234567890", "whatsapp:in.******7890"),
        ("whatsapp:IN.ENT.1234567890", "whatsapp:IN.******7890"),
        (f"whatsapp:IN.{'a1' * 64}", "whatsapp:IN.******a1a1"),
        ("unknown", "unknown"),
        ("erased", "erased"),
        ("+919876543210", "******"),
        ("messenger:1234567890123456", "******"),
        ("rcs:+919876543210", "******"),
        ("WhatsApp:+919876543210", "******"),
        ("whatsapp:919876543210", "******"),
        ("whatsapp:+91 98765 43210", "******"),
        ("whatsapp:+919876543210\n", "******"),
        ("whatsapp:Asha Devi 98765", "******"),
        ("whatsapp:", "******"),
        ("", "******"),
    ],
)
def test_an_address_shows_its_country_and_its_last_digits(address: str, shown: str) -> None:
    assert masked(address) == shown
