from making import small_island

from zakar import scenario
from zakar.observe import accounts, chatter, phrases
from zakar.scenario import IslandScenario
from zakar.seeds import Seeds
from zakar.world import island


def cast_of(settings: IslandScenario) -> accounts.Cast:
    seeds = Seeds(settings.seed)
    file = phrases.find(settings.tweets.phrases, scenario.config_folder())
    words = chatter.load(file, settings.tweets, seeds)
    return accounts.cast(settings.tweets, island.make(settings.terrain, settings.grid, seeds), seeds, words)


def test_pages_have_a_home_even_where_nobody_lives_in_towns() -> None:
    people = cast_of(small_island(terrain={"rural_share": 1.0}))
    assert (people.activity >= 0).all()
    assert abs(people.until[-1] - 1) < 1e-12
