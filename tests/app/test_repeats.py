"""What happens again and again is told once a minute."""

from engine.app import repeats
from engine.app.repeats import Repeats


def test_once_a_minute_with_how_often_it_was() -> None:
    told = Repeats()
    assert [told.told("10.0.0.7", "junk", now) for now in (5.0, 6.0, 7.0, 64.9, 65.0, 66.0)] == [1, 0, 0, 0, 4, 0]
    assert told.told("10.0.0.7", "idle", 66.0) == 1
    assert told.told("10.0.0.8", "junk", 66.0) == 1


def test_a_flood_of_addresses_is_told_as_one(monkeypatch) -> None:
    """Memory is bounded, and so is the log."""
    monkeypatch.setattr(repeats, "MOST", 3)
    told = Repeats()
    assert [told.told(f"10.0.0.{n}", "junk", 1.0) for n in range(6)] == [1, 1, 1, 1, 0, 0]
    assert told.told("10.0.1.1", "junk", 62.0) == 1
    assert told.told("10.0.1.1", "junk", 63.0) == 0
