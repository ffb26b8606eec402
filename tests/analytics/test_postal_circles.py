"""Postal circles by the first two digits of a pincode."""

from __future__ import annotations

import pytest

from onboarding_bot.analytics.postal_circles import CIRCLES, OTHER_CIRCLE, circle_of


@pytest.mark.parametrize(
    ("pincode", "circle"),
    [
        pytest.param("110001", "Delhi", id="Connaught Place"),
        pytest.param("122001", "Haryana", id="Gurugram"),
        pytest.param("160017", "Punjab and Chandigarh", id="Chandigarh"),
        pytest.param("194101", "Jammu & Kashmir and Ladakh", id="Leh"),
        pytest.param("248001", "Uttar Pradesh and Uttarakhand", id="Dehradun"),
        pytest.param("302001", "Rajasthan", id="Jaipur"),
        pytest.param("403001", "Maharashtra and Goa", id="Panaji"),
        pytest.param("492001", "Chhattisgarh", id="Raipur"),
        pytest.param("500001", "Telangana", id="Hyderabad"),
        pytest.param("520001", "Andhra Pradesh", id="Vijayawada"),
        pytest.param("560001", "Karnataka", id="Bengaluru"),
        pytest.param("605001", "Tamil Nadu and Puducherry", id="Puducherry"),
        pytest.param("682555", "Kerala and Lakshadweep", id="Kavaratti"),
        pytest.param("737101", "West Bengal and Sikkim", id="Gangtok"),
        pytest.param("751001", "Odisha", id="Bhubaneswar"),
        pytest.param("781001", "Assam", id="Guwahati"),
        pytest.param("799001", "North-East", id="Agartala"),
        pytest.param("834001", "Bihar and Jharkhand", id="Ranchi"),
        pytest.param("900001", "Army Postal Service", id="an army post service"),
        pytest.param("100001", OTHER_CIRCLE, id="digits that nobody has"),
        pytest.param("660001", OTHER_CIRCLE, id="between Tamil Nadu and Kerala"),
    ],
)
def test_the_circle_of_a_place(pincode: str, circle: str) -> None:
    assert circle_of(pincode) == circle


def test_every_pincode_has_one_circle_of_few() -> None:
    assert {circle_of(f"{prefix}0001") for prefix in range(10, 100)} == set(CIRCLES)
    assert len(CIRCLES) <= 60
