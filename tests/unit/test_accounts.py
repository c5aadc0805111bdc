import numpy as np
from making import small_island

from zakar import config
from zakar.models.island import authors as accounts
from zakar.models.island import terrain as island
from zakar.models.island import text as chatter
from zakar.models.island.settings import IslandScenario
from zakar.models.shared import phrase_files
from zakar.seeds import Seeds


def authors_of(settings: IslandScenario) -> accounts.Authors:
    seeds = Seeds(settings.seed)
    file = phrase_files.find(settings.tweets.phrases, config.folder())
    words = chatter.load(file, settings.tweets, seeds)
    return accounts.draw_authors(settings.tweets, island.make(settings.terrain, settings.grid, seeds), seeds, words)


def test_pages_have_a_home_even_where_nobody_lives_in_towns() -> None:
    people = authors_of(small_island(terrain={"rural_share": 1.0}))
    assert (people.activity >= 0).all()
    assert abs(people.until[-1] - 1) < 1e-12


def test_no_private_account_writes_more_than_a_person_can_and_kinds_write_what_they_should() -> None:
    settings = small_island(tweets={"per_day": 1000, "accounts": 4000})
    people = authors_of(settings)
    a_day = np.diff(people.until, prepend=0) * settings.tweets.per_day
    of_kind = np.bincount(people.kind, a_day) / settings.tweets.per_day
    np.testing.assert_allclose(of_kind, settings.tweets.kind_shares())
    for private in (accounts.PEOPLE, accounts.OUTSIDERS):
        assert 2 < a_day[people.kind == private].max() < 8
    assert a_day[people.kind == accounts.PAGES].max() > 15
    assert np.median(a_day) < 0.2  # most write little
