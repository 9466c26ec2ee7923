"""The README's picture is made by the package, from a network that has learnt."""

from PIL import Image

from pellucid.experiments import xor
from pellucid.watching import hero


def test_the_picture_is_wide_and_small_enough_for_a_readme(tmp_path):
    path = hero.draw_hero(tmp_path / "hero.png")
    assert path.stat().st_size < 200_000
    with Image.open(path) as image:
        assert image.width > 2 * image.height


def test_the_picture_shows_one_network_at_three_moments_of_its_learning():
    kept, losses = hero._learn()
    iterations = [iteration for iteration, _ in kept]
    assert iterations == sorted(set(iterations))
    assert len(losses) == iterations[-1]
    rights = [model.score(xor.X, xor.Y) for _, model in kept]
    assert rights[0] < 1
    assert rights[-1] == 1
