import io
import json

import pytest
from rich.console import Console

from ranvier.cli import screen as screens
from ranvier.cli.screen import Screen, number, render, table


def screen(*, terminal=False, as_json=False):
    return Screen(Console(file=io.StringIO(), force_terminal=terminal, width=200, highlight=False), as_json)


def printed(screen):
    return screen.out.file.getvalue()


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(screens.time, "monotonic", lambda: now[0])
    return now


def test_a_pipe_gets_a_line_every_few_seconds_with_pace_and_time_left(clock):
    plain = screen()
    with plain.watch("stbp") as watch:
        watch(0.0, "epoch 1 of 4")
        for second in range(1, 11):
            clock[0] = second
            watch(second / 40, "epoch 1 of 4", loss=2.0 / second, steps_per_s=4.0)
        clock[0] = 40.0
        watch(1.0, "epoch 4 of 4", test_accuracy=0.951, dead=0.04)
    assert printed(plain).splitlines() == [
        "stbp   0 %  epoch 1 of 4",
        "stbp  12 %  epoch 1 of 4  loss 0.4  4.0 it/s  eta 0:35",
        "stbp  25 %  epoch 1 of 4  loss 0.2  4.0 it/s  eta 0:30",
        "stbp 100 %  epoch 4 of 4  loss 0.2  test accuracy 95.1 %  dead 4.0 %  4.0 it/s  eta 0:00",
    ]


def test_work_of_an_earlier_run_does_not_shorten_the_time_left(clock):
    plain = screen()
    with plain.watch("stbp") as watch:
        watch(0.8, "resumed")
        clock[0] = 10.0
        watch(0.9, "going on")
    assert printed(plain).splitlines()[-1] == "stbp  90 %  going on  eta 0:10"


def test_a_terminal_gets_a_bar_with_the_figures():
    live = screen(terminal=True)
    with live.watch("stbp") as watch:
        watch(0.5, "epoch 2 of 4", loss=0.25, test_accuracy=0.9, steps_per_s=12.0)
    for words in ("stbp", "50 %", "epoch 2 of 4", "loss 0.25", "test accuracy 90.0 %", "12.0 it/s"):
        assert words in printed(live)


def test_with_json_nothing_but_json_is_printed():
    machine = screen(as_json=True)
    machine.say("hello")
    machine.show(table("a"))
    with machine.watch("x") as watch:
        watch(0.5, "half", loss=1.0)
    machine.give({"a": 1})
    assert json.loads(printed(machine)) == {"a": 1}


def test_without_json_nothing_is_given_to_machines():
    plain = screen()
    plain.give({"a": 1})
    assert printed(plain) == ""


def test_long_paths_are_not_broken_in_two():
    plain = Screen(Console(file=io.StringIO(), width=40), as_json=False)
    path = "/".join(["folder"] * 30)
    plain.say(path)
    assert printed(plain) == path + "\n"


def test_shares_are_written_in_per_cent_and_other_figures_as_numbers():
    assert number("test_accuracy", 0.951) == "95.1 %"
    assert number("dead", 0.5) == "50.0 %"
    assert number("loss", 0.12345) == "0.123"
    assert render({"lr": 1.0, "loss": 1.0}) == "loss 1"


LONG = "/".join(["folder"] * 300)


def test_a_table_in_a_pipe_is_as_wide_as_its_content_and_no_wider(monkeypatch, capsys):
    plain = Screen.open()
    shown = table("name", "place")
    shown.add_row("a", LONG)
    shown.add_row("b", "short")
    plain.show(shown)
    assert capsys.readouterr().out == f"name  place\na     {LONG}\nb     short\n"


def test_what_looks_like_markup_is_printed_as_it_is(capsys):
    plain = Screen.open()
    shown = table("place")
    shown.add_row("runs/[red]x[/red]/:smile:")
    plain.show(shown)
    plain.say("[bold]12[/bold] :smile:")
    assert capsys.readouterr().out == "place\nruns/[red]x[/red]/:smile:\n[bold]12[/bold] :smile:\n"


def test_a_line_at_a_terminal_breaks_between_words_and_leaves_paths_whole():
    live = Screen(Console(file=io.StringIO(), force_terminal=True, width=30, highlight=False, color_system=None), False)
    live.say(f"go on with: ranvier resume {LONG}")
    assert printed(live).splitlines() == ["go on with: ranvier resume", LONG]


def test_the_last_thing_told_in_a_pipe_is_printed_even_soon_after_another_and_after_an_error(clock):
    plain = screen()

    def work():
        with plain.watch("stbp") as watch:
            for fraction, words in ((0.1, "one"), (0.2, "two"), (0.3, "three")):
                watch(fraction, words)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert printed(plain).splitlines() == ["stbp  10 %  one", "stbp  30 %  three"]


def test_at_a_narrow_terminal_the_bar_stays_and_the_figures_take_more_lines():
    live = Screen(Console(file=io.StringIO(), force_terminal=True, width=60, color_system=None, highlight=False), False)
    with live.watch("stbp") as watch:
        watch(0.5, "epoch 20 of 40", loss=0.25, train_accuracy=0.9, test_accuracy=0.9, rate=0.1, dead=0.04)
    page = printed(live)
    assert "…" not in page
    for words in ("━━━━━", " 50 %", "epoch 20 of 40", "train accuracy 90.0 %", "dead 4.0 %"):
        assert words in page, page
