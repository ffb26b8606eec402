"""The twelve sectors and the words that owners use for them."""

from __future__ import annotations

from enum import StrEnum

from rapidfuzz import fuzz, process

from onboarding_bot.conversation.reply import TextRef
from onboarding_bot.conversation.typed import words

# Below this likeness a typing mistake and another word cannot be told apart; shorter words must be exact.
LIKENESS_PERCENT = 80
SHORTEST_GUESS = 4


class Sector(StrEnum):
    """The sectors in the order of their numbers; the values are what MSMEBazaar stores."""

    MANUFACTURING = "Manufacturing"
    SERVICES = "Services"
    TECHNOLOGY = "Technology"
    HEALTHCARE = "Healthcare"
    EDUCATION = "Education"
    AGRICULTURE = "Agriculture"
    RETAIL = "Retail"
    CONSTRUCTION = "Construction"
    FOOD_AND_BEVERAGE = "Food & Beverage"
    TEXTILE = "Textile"
    AUTOMOTIVE = "Automotive"
    OTHER = "Other"

    @property
    def text(self) -> TextRef:
        """The sector's name in the reader's language."""
        return TextRef(f"sector.{self.name.lower()}")


SECTORS = tuple(Sector)

_ALIASES: dict[Sector, str] = {
    Sector.MANUFACTURING: """
        manufacturer, manufacture, factory, production, industry, निर्माता, विनिर्माण, उत्पादन, मैन्युफैक्चरिंग,
        कारखाना, फैक्ट्री, udyog, उद्योग
        """,
    Sector.SERVICES: "service, service provider, consulting, consultancy, seva, सेवा, सेवाएं, सेवाएँ, सर्विस",
    Sector.TECHNOLOGY: """
        tech, it, software, computer, computers, it services, टेक्नोलॉजी, तकनीक, प्रौद्योगिकी, सॉफ्टवेयर,
        कंप्यूटर
        """,
    Sector.HEALTHCARE: """
        health, health care, hospital, clinic, medical, pharmacy, doctor, स्वास्थ्य, स्वास्थ्य सेवा, अस्पताल,
        मेडिकल, दवा
        """,
    Sector.EDUCATION: "school, coaching, training, tuition, teaching, शिक्षा, स्कूल, कोचिंग, shiksha",
    Sector.AGRICULTURE: "agri, farming, farm, farmer, dairy, kheti, krishi, कृषि, खेती, किसान, डेयरी",
    Sector.RETAIL: "retailer, shop, store, kirana, general store, dukan, dukaan, रिटेल, दुकान, किराना, खुदरा",
    Sector.CONSTRUCTION: """
        builder, building, contractor, civil, real estate, निर्माण, भवन निर्माण, ठेकेदार, कंस्ट्रक्शन
        """,
    Sector.FOOD_AND_BEVERAGE: """
        food, food and beverages, food and drink, beverage, beverages, restaurant, catering, bakery, hotel,
        sweets, f and b, fnb, खाद्य, खाना, खाद्य और पेय, खाद्य एवं पेय, रेस्टोरेंट, होटल, मिठाई
        """,
    Sector.TEXTILE: """
        textiles, garment, garments, clothing, clothes, cloth, fabric, tailor, tailoring, kapda, कपड़ा, कपड़े,
        वस्त्र, टेक्सटाइल
        """,
    Sector.AUTOMOTIVE: """
        automobile, automobiles, auto, auto parts, garage, vehicle, vehicles, mechanic, ऑटोमोटिव, ऑटोमोबाइल,
        गाड़ी, वाहन, गैराज
        """,
    Sector.OTHER: "others, something else, none of these, anya, अन्य, कुछ और, दूसरा",
}


def _normal(text: str) -> str:
    return words(text.replace("&", " and "))


_BY_NAME: dict[str, Sector] = {
    _normal(name): sector for sector, aliases in _ALIASES.items() for name in (sector.value, *aliases.split(","))
}


def find_sector(text: str) -> Sector | None:
    """The sector that ``text`` names, its case and small typing mistakes forgiven, or None."""
    name = _normal(text)
    if name in _BY_NAME:
        return _BY_NAME[name]
    if len(name) < SHORTEST_GUESS:
        return None
    guess = process.extractOne(name, _BY_NAME.keys(), scorer=fuzz.ratio, score_cutoff=LIKENESS_PERCENT)
    return _BY_NAME[guess[0]] if guess else None
