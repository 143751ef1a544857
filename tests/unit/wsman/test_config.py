"""Settings out of a Put on WinRM's configuration: paths and values, whatever the text is."""

from hypothesis import given
from hypothesis import strategies as st

from analyzer.wsman.config import Settings, settings

CONFIG = "http://schemas.microsoft.com/wbem/wsman/1/config/service"


def body(text: str) -> str:
    return f"<s:Envelope><s:Header><w:X>1</w:X></s:Header><s:Body>{text}</s:Body><after>2</after></s:Envelope>"


def test_paths_and_values_of_what_stands_in_the_body() -> None:
    text = body('<cfg:Service xmlns:cfg="u"><cfg:RootSDDL>O:NSG</cfg:RootSDDL>\n <cfg:Auth><Basic a="b">true</Basic><None/></cfg:Auth><E></E></cfg:Service>')
    assert settings("Put", CONFIG, text).found == (("Service/RootSDDL", "O:NSG"), ("Service/Auth/Basic", "true"))


def test_only_for_the_configuration_and_only_when_it_is_set() -> None:
    text = body("<a>1</a>")
    assert settings("Create", CONFIG, text).found == (("a", "1"),)
    others = (settings("Get", CONFIG, text), settings("Put", "http://other", text), settings("Put", None, text), settings("Put", CONFIG, "<a>1</a>"))
    assert set(others) == {Settings()}


def test_limits() -> None:
    many, long, deep = (settings("Put", CONFIG, body(text)) for text in ("<a>1</a>" * 500, f"<a>{'x' * 999}</a>", "<b>2</b>" + "<a>" * 500 + "1"))
    assert (len(many.found), many.reached) == (128, ("settings=128: later settings of the message were not read",))
    assert long == ((("a", "x" * 256),), ("setting_characters=256: the value of a setting is longer",))
    assert deep == ((("b", "2"),), ("setting_depth=16: settings are deeper, and they and later ones were not read",))


@given(st.text("<>/abc:1 =\"'", max_size=200))
def test_any_text(text: str) -> None:
    for path, value in settings("Put", CONFIG, body(text)).found:
        assert path
        assert value
