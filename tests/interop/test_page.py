"""The page of `libmqtt broker --page`. tests/browser uses it."""

import re
import subprocess
import urllib.error
import urllib.request

import pytest
from programs import BINARY, PATIENCE


def test_the_command_shows_a_page_to_this_machine():
    command = [BINARY, "broker", "-p", "0", "--page", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            said = ""
            while not (
                found := re.search(r"^a page for browsers: (http://127.0.0.1:\d+)$", said, re.M)
            ):
                line = child.stdout.readline()
                assert line, said
                said += line
            with urllib.request.urlopen(found[1], timeout=PATIENCE) as answer:
                assert answer.status == 200 and b"<title>libmqtt" in answer.read()
            with pytest.raises(urllib.error.HTTPError) as missing:
                urllib.request.urlopen(found[1] + "/etc/passwd", timeout=PATIENCE)
            assert missing.value.code in (404, 426)
        finally:
            child.terminate()
        assert child.wait(PATIENCE) == 0
