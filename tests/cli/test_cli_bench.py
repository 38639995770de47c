"""`manifoldconv bench`."""

from manifoldconv.cli import main


def test_an_unknown_benchmark_is_refused_with_the_known_ones(capsys):
    assert main(["bench", "--only", "sleep"]) == 2
    message = capsys.readouterr().err
    assert "no benchmark is called 'sleep'" in message
    assert "trace" in message
    assert message.count("\n") == 1


def test_the_table_is_printed(capsys):
    assert main(["bench", "--only", "log", "--quick"]) == 0
    assert "| benchmark | what |" in capsys.readouterr().out
