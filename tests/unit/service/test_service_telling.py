from tidemill.service.telling import that_fit

ERRORS = [{"file": f"/flows/{number}.py", "line": 1, "message": "é" * 10} for number in range(50)]


def test_few_errors_are_told_whole():
    assert that_fit(ERRORS) == (ERRORS, 0)
    assert that_fit([]) == ([], 0)


def test_of_more_than_an_answer_holds_the_first_are_told_and_the_others_counted():
    told, left_out = that_fit(ERRORS, 1000)

    assert told == ERRORS[: len(told)]
    assert 0 < len(told) < 50
    assert left_out == 50 - len(told)
