import re

from ranvier.report.figures.confusion import heatmap, mistakes, recalls
from ranvier.report.schema import Confusion

THREE = Confusion(class_names=("ant", "bee", "cat"), counts=((8, 2, 0), (0, 5, 0), (3, 0, 1)))


def test_every_count_is_on_the_map_with_its_classes():
    made = str(heatmap(THREE))
    assert "14 of 19 on the diagonal" in made
    assert "true ant, answer bee: 2 (20.0 % of ant)" in made
    assert sorted(re.findall(r'class="count[^>]*>(\d+)<', made)) == ["1", "2", "3", "5", "8"]


def test_shade_grows_with_the_share_of_the_row():
    cells = [cell for cell in str(heatmap(THREE)).split("<g>") if "opacity" in cell]
    shades = {
        re.search(r"true (\w+, answer \w+)", cell)[1]: float(re.search(r'opacity="([\d.]+)"', cell)[1])
        for cell in cells
    }
    assert len(shades) == 5
    assert shades["bee, answer bee"] == 1.0
    assert shades["bee, answer bee"] > shades["ant, answer ant"] > shades["cat, answer ant"] > shades["ant, answer bee"]


def test_the_worst_comes_first():
    assert mistakes(THREE) == [("cat", "ant", 3, 0.75), ("ant", "bee", 2, 0.2)]
    assert recalls(THREE) == [("cat", 4, 0.25), ("ant", 10, 0.8), ("bee", 5, 1.0)]


def test_a_class_that_never_occurs_has_no_recall():
    assert recalls(Confusion(class_names=("a", "b"), counts=((1, 0), (0, 0)))) == [("a", 1, 1.0)]


def test_hundreds_of_classes_give_no_map_but_a_list():
    num = 300
    counts = tuple(tuple(int(i == j) for j in range(num)) for i in range(num))
    large = Confusion(class_names=tuple(map(str, range(num))), counts=counts)
    assert heatmap(large) is None
    assert len(recalls(large)) == num


def test_long_names_are_turned():
    made = str(heatmap(Confusion(class_names=("a very long name", "b"), counts=((1, 0), (0, 1)))))
    assert "rotate(-60" in made
