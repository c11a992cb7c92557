"""Every mistake of a site's files is found where it stands, says what is wrong, and is the only finding."""

import shutil
from pathlib import Path

import pytest

from engine.channel.findings import part_at
from engine.check.lint import lint
from tests.site_copy import copied, edit


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A copy of the shipped site, which has no finding (test_lint)."""
    return copied(tmp_path)


def found(site: Path, file: str, old: str, new: str) -> list[str]:
    """The findings after a change, as `line:column CODE message`; with the name of the file where it is another."""
    edit(site / file, old, new)
    return [str(finding).removeprefix(f"{file}:") for finding in lint(site)]


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("  lab:\n", "  Lab:\n", ["8:3 CFG010 a name is wanted: lower-case letters, digits and _, a letter first"]),
        ("    host: 127.0.0.1", "    host: 127.0.0.1\n    charset: klingon", ["24:14 CFG010 this is no character set of HL7 table 0211 and no codec of Python that messages can be in"]),
        ("    host: 127.0.0.1", "    host: 127.0.0.1\n    charset: UTF-16", ["24:14 CFG010 this is no character set of HL7 table 0211 and no codec of Python that messages can be in"]),
        ("    host: 127.0.0.1", "    host: 127.0.0.1\n    charset: ''", ["24:14 CFG010 this is no character set of HL7 table 0211 and no codec of Python that messages can be in"]),
        ("    host: 127.0.0.1", "    host: 127.0.0.1\n    lanes: 65", ["24:12 CFG010 at most 64 is wanted"]),
        ("    host: 127.0.0.1", "    host: 127.0.0.1\n    ack_timeout: 1 fortnight", ["24:18 CFG010 a length of time is a number and ms, s, min, h or d, such as 30s"]),
        ("    host: 127.0.0.1", "    host: 127.0.0.1\n    ack_timeout: -1", ["24:18 CFG010 more than 0 is wanted"]),
        ("    host: 127.0.0.1", "    host: 127.0.0.1\n    ack_timeout: soon5", ["24:18 CFG010 a number is wanted"]),
        ("    profile: dcm4chee", "    profile: dcm4che", ["25:14 REF004 there is no receiver profile 'dcm4che'; did you mean dcm4chee?"]),
        ("    port: 2580", "    port: 2579", ["24:11 CFG010 this is our own listener ris: messages would go round"]),
        ("    port: 2575", "    port: 2575\n    history_from: yesterday", ["7:19 CFG010 a time is wanted, such as 2026-08-01"]),
        ("    port: 2575", "    port: 2575\n    backfill: perhaps", ["7:15 CFG010 yes or no is wanted"]),
        ("    port: 2575\n", "", ["6:5 CFG012 'port' is missing"]),
        ("    port: 2575", "    port: 2575\n    host: 0.0.0.0", ["7:11 CFG010 other machines would send without TLS: give the listener `tls:`, or write `plaintext: accepted`"]),
        ("    port: 2575", "    port: 2575\n    host: engine.hospital", ["7:11 CFG010 other machines would send without TLS: give the listener `tls:`, or write `plaintext: accepted`"]),
        ("    port: 2575", "    port: 2575\n    host: 0.0.0.0\n    plaintext: accepted", []),
        ("    port: 2575", "    port: 2575\n    host: ::1", []),
        ("    port: 2575", "    port: 2575\n    host: localhost", []),
        ("    port: 2575", "    port: 2575\n    plaintext: yes", ["7:16 CFG013 'yes' is none of accepted"]),
        ("    port: 2575", "    port: 2575\n    tls: {certificate: a.pem}", ["7:10 CFG012 'key' is missing"]),
        ("    port: 2575", "    port: 2575\n    tls: {certificate: a.pem, key: a.key, minimum: 1.1}", ["7:52 CFG013 '1.1' is none of 1.2, 1.3; did you mean 1.3?"]),
        ("    port: 2575", "    port: 2575\n    tls: {certificate: a.pem, key: a.key, subjects: [lab]}", ["7:10 CFG010 subjects and crl are about certificates of clients; name their CA with client_ca"]),
        ("    host: 127.0.0.1", "    host: 127.0.0.1\n    tls: {key: a.key}", ["24:10 CFG010 certificate and key go together"]),
        ("    host: 127.0.0.1", "    host: 127.0.0.1\n    tls: {pin: sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=, ca: a.pem}", ["24:10 CFG010 pin stands in place of ca, server_name and crl; leave those out, or the pin"]),
        ("    host: 127.0.0.1", "    host: 127.0.0.1\n    tls: {verify: no}", ["24:11 CFG011 'verify' is not known here"]),
        ("    port: 2575", "    port: 2575\n    host: 0.0.0.0\n    tls: {certificate: a.pem, key: a.key}", ["8:24 TLS001 a.pem: cannot be read: No such file or directory"]),
        ("data: data", "data: data\nlisteners2: {}", ["3:1 CFG011 'listeners2' is not known here; did you mean listeners?"]),
        ("data: data", "data: [data]", ["2:7 CFG010 a path is wanted"]),
        ("listeners:\n", "listeners: x\nx:\n", ["4:12 CFG010 a map of keys and values is wanted", "5:1 CFG011 'x' is not known here"]),
    ],
)  # fmt: skip
def test_a_mistake_in_the_configuration(site: Path, old: str, new: str, wanted: list[str]) -> None:
    """config.yaml: names, amounts, ports, keys."""
    assert found(site, "config.yaml", old, new) == wanted


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("channel: adt", "channel: Adt", ["1:10 CFG010 a name is wanted: lower-case letters, digits and _, a letter first"]),
        ("channel: adt\n", "", ["1:1 CFG012 'channel' is missing"]),
        ("  - step: store_facts", "  - stop: store_facts", ["8:5 CFG012 'step' is missing; did you mean step where stop stands?"]),
        ("  - step: store_facts", "  - {kinds: [lab]}\n  - step: store_facts", ["8:5 CFG012 'step' is missing"]),
        ("  - step: store_facts", "  - store_facts\n  - step: store_facts", ["8:5 CFG010 a map of keys and values is wanted"]),
        ("kinds: [demographics, allergy", "kinds: [demographics, alergy", ["9:27 CFG013 'alergy' is none of demographics, allergy, problem, lab, vital, medication, document, pregnancy; did you mean allergy?"]),
        ("kinds: [demographics, allergy, problem, pregnancy]", "kinds: allergy", ["9:12 CFG010 a list is wanted"]),
        ("    kinds:", "    when: {PID8: F}\n    kinds:", ["9:12 CFG010 'PID8' is no place in a message; write it like PID-3.1, OBX[2]-5 or PID-3(2).4"]),
        ("    kinds:", "    when: {PID-8: {maches: F}}\n    kinds:", ["9:20 CFG010 'maches' is not known here; matches, exists or not is wanted; did you mean matches?"]),
        ("    kinds:", "    when: {PID-8: {matches: '('}}\n    kinds:", ["9:29 CFG010 no pattern of google-re2: missing ): ("]),
        ("    kinds:", "    when: {PID-8: {matches: ''}}\n    kinds:", ["9:29 CFG010 a pattern is wanted"]),
        ("    kinds:", "    when: {PID-99: F}\n    kinds:", ["9:12 PTH001 no version of HL7 has PID-99"]),
        ("    kinds:", "    when: {any: [{PDI-8: F}, {not: {PID-3: {exists: yes}}}]}\n    kinds:", ["9:19 PTH001 no version of HL7 has a segment PDI"]),
        ("    kinds:", "    wen: {PID-8: F}\n    kinds:", ["9:5 CFG011 'wen' is not known here; did you mean when?"]),
        ("  MSH-9: [ADT]", "  any: [{MSH-9: ADT}, {MSH-9: [ADT^A99]}]", ["6:32 TYP001 no version of HL7 has the event 'A99'"]),
        ("  MSH-9: [ADT]", "  any: {MSH-9: ADT}", ["6:8 CFG010 a list of matches is wanted, such as any: [{OBR-24: CT}, {OBR-24: MR}]"]),
        ("  MSH-9: [ADT]", "  not: {MSH-9: ADX}", ["6:16 TYP001 no version of HL7 has the message type 'ADX'"]),
        ("  MSH-9: [ADT]", "  MSH-9: {exists: maybe}", ["6:19 CFG010 yes or no is wanted"]),
        ("  MSH-9: [ADT]", "  MSH-9: {exists: yes, matches: a}", ["6:10 CFG010 exactly one of matches, exists, not is wanted"]),
        ("  MSH-9: [ADT]", "  anny: [{MSH-9: ADT}]", ["6:3 CFG010 'anny' is no place in a message; write it like PID-3.1, OBX[2]-5 or PID-3(2).4; did you mean any?"]),
        ("expect: {status: FAILED}", "expect: {status: FAILLED}", ["20:22 CFG013 'FAILLED' is none of FILTERED, TRANSFORMED, FAILED; did you mean FAILED?"]),
        ("expect: {status: FAILED}", "expect: {status: FAILED, sent: {pacs: {MSH5: x}}}", ["20:44 CFG010 'MSH5' is no place in a message; write it like PID-3.1, OBX[2]-5 or PID-3(2).4"]),
        ("expect: {status: FAILED}", "expect: {status: FAILED, sent: {pacs: {MSH-5: {begins: x}}}}", ["20:51 CFG010 starts: TEXT, contains: TEXT or absent: yes is wanted"]),
        ("expect: {status: FAILED}", "expect: {status: FAILED, sent: {pacs: {MSH-5: {absent: no}}}}", ["20:51 CFG010 starts: TEXT, contains: TEXT or absent: yes is wanted"]),
        ("expect: {status: FAILED}", "expect: {status: FAILED, sent: {pacs: {MSH-5: [a]}}}", ["20:51 CFG010 a text, or one of starts, contains, absent is wanted"]),
        ("expect: {status: FAILED}", "expect: {status: FAILED, unchanged_except: [MSG5]}", ["20:49 CFG010 'MSG5' is no place in a message; write it like PID-3.1, OBX[2]-5 or PID-3(2).4"]),
        ("expect: {status: FAILED}", "expect: {status: FAILED, unchanged_except: [PID-99]}", ["20:49 PTH001 no version of HL7 has PID-99"]),
        ("expect: {status: FAILED}", "expect: {status: FAILED, sent: {pacs: {PID-99: x}}}", ["20:44 PTH001 no version of HL7 has PID-99"]),
        ("flag: SV", "flagg: SV", ["14:15 CFG010 'flagg' is nothing that is kept; did you mean flag?"]),
        ("given: {message_file: samples/adt_a01_doe.hl7}", "given: {message_file: samples/adt_a01_doe.hl7, message: x}", ["12:12 CFG010 exactly one of message and message_file is wanted"]),
        ("given: {message_file: samples/adt_a01_doe.hl7}", "given: {message_file: samples/adt_a01_doe.hl7, context: [{concep: x}]}", ["12:62 CFG010 one of concept, allergy, medication, problem is wanted"]),
        ("given: {message_file: samples/adt_a01_doe.hl7}", "given: {message_file: samples/adt_a01_doe.hl7, context: [{concept: egfrr, value: 1, observed: 2026-08-01}]}", ["12:72 TST003 'egfrr' is no result or vital sign of concepts.yaml; did you mean egfr?"]),
        ("given: {message_file: samples/adt_a01_doe.hl7}", "given: {message_file: samples/adt_a01_doe.hl7, context: [{concept: egfr, value: 1, observed: summer}]}", ["12:98 CFG010 a time is wanted, such as 2026-08-19 or 2026-08-19 06:10"]),
        ("given: {message_file: samples/adt_a01_doe.hl7}", "given: {message_file: samples/adt_a01_doe.hl7, context: [{concept: egfr, value: 1}]}", ["12:62 CFG012 'observed' is missing"]),
        ("given: {message_file: samples/adt_a01_doe.hl7}", "given: {message_file: samples/adt_a01_doe.hl7, received: [1]}", ["12:62 CFG010 a text is wanted"]),
        ("given: {message_file: samples/adt_a01_doe.hl7}", "given: {message_file: ../adt.yaml}", ["12:27 TST002 '../adt.yaml' beside the channels cannot be read: No such file or directory"]),
        ("owner: ", "owner: !x ", ["3:8 CFG002 tags are not read"]),
        ("description: ", "? [a]\n: b\ndescription: ", ["2:3 CFG002 a key is one word"]),
        ("from: adt", "from: adt\n\x07", ["1:1 CFG001 the file holds characters that YAML does not allow"]),
    ],
)  # fmt: skip
def test_a_mistake_in_a_channel(site: Path, old: str, new: str, wanted: list[str]) -> None:
    """Keys, conditions, tests and what they give and expect; YAML that is none."""
    assert found(site, "channels/adt.yaml", old, new) == wanted


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("  - step: track_order\n", "", ["13:5 STP001 put `track_order` before `enrich`: an order that is not kept cannot be explained"]),
        ("to: [pacs]\n", "", ["14:5 STP001 the order is enriched and goes nowhere: there is no `to:`"]),
        ("unmapped: keep", "unmapped: kep", ["11:15 CFG013 'kep' is none of keep, error, empty, default; did you mean keep?"]),
        ("unmapped: keep", "unmapped: keep\n    default: x", ["8:5 CFG010 `default: VALUE` and `unmapped: default` belong together"]),
        ("path: OBR-4.1", "path: MSH-2", ["9:11 CFG010 MSH-1 and MSH-2 are the delimiters, which no step reads or writes"]),
        ("path: OBR-4.1", "path: OBR", ["9:11 CFG010 the path names a whole segment where a field is wanted, such as OBR-4.1"]),
        ("  - step: track_order\n", "  - step: track_order\n  - {step: remove, path: MSH}\n", ["14:26 CFG010 a message without its MSH, or without its delimiters, is none"]),
        ("    rules: relevance\n", "    rules: relevance\n    profile: x\n", ["16:14 REF004 there is no receiver profile 'x'; there is dcm4chee"]),
        ("max: 300", "max: 30", ["17:32 CFG010 at least 64 is wanted"]),
        ("carrier: AL1", "carrier: AL2", ["20:19 CFG013 there is no carrier 'AL2'; did you mean AL1?"]),
        ("carrier: AL1", "carrier: AL1, max: 3", ["20:24 CFG011 'max' is not known here"]),
        ("every: 100", "every: never", ["25:12 CFG010 a whole number is wanted"]),
        ("every: 100", "every: 0", ["25:12 CFG010 at least 1 is wanted"]),
    ],
)  # fmt: skip
def test_a_mistake_in_a_step(site: Path, old: str, new: str, wanted: list[str]) -> None:
    """What the steps of orders_to_pacs are asked to do."""
    assert found(site, "channels/orders_to_pacs.yaml", old, new) == wanted


@pytest.mark.parametrize(
    ("file", "old", "new", "wanted"),
    [
        ("mappings/tables/procedure_codes.csv", "code,value", "code,wert", ["1:1 MAP001 the first line must name the columns code, value; value is missing"]),
        ("mappings/tables/procedure_codes.csv", "CTAP,CTAPW", "CTAP,CTAPW,X", ["2:1 MAP002 3 cells where the first line names 2"]),
        ("mappings/tables/procedure_codes.csv", "CTAP,CTAPW", "CTAP ,CTAPW", ["2:1 MAP004 a code is empty, or blanks stand around a code or value"]),
        ("mappings/tables/procedure_codes.csv", "CTAP,CTAPW", "CTAP,CTAPW\nCTAP,X", ["3:1 MAP005 the code 'CTAP' stands here twice"]),
        ("mappings/tables/procedure_codes.csv", "CTAP,CTAPW", 'CTAP,"CTAPW', ["1:1 MAP001 this is no readable CSV file in UTF-8 (Error)"]),
        ("mappings/tables/exams.csv", "CTAPW,CT,", "CTAPW,CAT,", ["2:1 MAP003 modality: there is no 'CAT'; did you mean CT?"]),
        ("mappings/tables/exams.csv", "CTAPW,CT,", ",CT,", ["2:1 MAP004 a code is empty, or blanks stand around a code or value"]),
        ("mappings/tables/exams.csv", "CTAPWO,CT", "CTAPW,CT", ["3:1 MAP005 the code 'CTAPW' stands here twice"]),
        ("mappings/tables/exams.csv", "ABD+PELVIS,IOD", "ABD+PELVIS,IODINE", ["2:1 MAP003 contrast: there is no 'IODINE'; did you mean IOD?"]),
        ("mappings/tables/exams.csv", "ABD+PELVIS,IOD", "ABD+PELVIC,IOD", ["2:1 MAP003 region: there is no 'PELVIC'; did you mean PELVIS?"]),
        ("mappings/tables/exams.csv", "XR,CHEST,-,-", "XR,CHEST,-,xyzw", ["11:1 MAP003 special: there is no 'xyzw'; there are CCTA, CTA_AORTA, CTPA, FDG, IR, IR_HIGH, IR_LOW, LP, LUNGSCR, MYELOGRAM, STROKE"]),
        ("mappings/relevance/pregnancy.yaml", "region: [ABD,", "region: [ABDO,", ["9:47 REF009 no exam has the region 'ABDO'; did you mean ABD?"]),
        ("mappings/relevance/pregnancy.yaml", "without: {modality: [US", "without: {modality: [USG", ["11:63 REF009 no exam has the modality 'USG'; did you mean US?"]),
        ("mappings/exams.yaml", "obr24:", "obr42:", ["6:1 CFG011 'obr42' is not known here; did you mean obr24?", "6:1 CFG012 'obr24' is missing"]),
        ("mappings/exams.yaml", "CT: CT", "CT: CAT", ["6:1 CFG010 obr24: CT is 'CAT', which is not under `modality`"]),
        ("mappings/exams.yaml", "  CT: '", "  CT: '(", ["29:7 CFG010 no pattern of google-re2: missing ): (\\bCT\\b|\\bCAT SCAN|\\bCT(?:A|V|P|PA|AP|U|E|C|H|CAP)\\b|\\bCCTA\\b|\\b[HL][RD]CT\\b|\\bNCCT\\b|\\bNCHCT\\b|\\bPET/?CT\\b|COMPUTED TOMOGRAPH|COMPUTERI[SZ]ED TOMOGRAPH"]),
        ("mappings/concepts.yaml", "concept: weight", "concept: weigth", ["mappings/relevance/contrast.yaml:215:49 REF007 there is no concept 'weight'; did you mean weigth?"]),
        ("mappings/concepts.yaml", "units: [kg, g, lb]", "units: [kg, g, stone]", ["14:1 CFG010 weight: unit 'stone' is not under `units`"]),
        ("mappings/concepts.yaml", "about: 'WEIGHT", "about: '(WEIGHT", ["215:12 CFG010 no pattern of google-re2: missing ): (WEIGHT|\\bWT\\b"]),
        ("mappings/policy.yaml", "vip: any", "vip: all", ["6:8 CFG013 'all' is none of any, listed, never"]),
        ("mappings/policy.yaml", "lab: 24h", "lab: 24 hours", ["28:8 CFG010 a length of time is a number and min, h, d or w (`90d`, `48h`), or `ever`"]),
        ("mappings/profiles.yaml", "  dcm4chee:", "  dcm5chee:", ["channels/orders_to_pacs.yaml:14:5 REF004 there is no receiver profile 'dcm4chee'; did you mean dcm5chee?", "config.yaml:25:14 REF004 there is no receiver profile 'dcm4chee'; did you mean dcm5chee?"]),
        ("mappings/profiles.yaml", "profiles:", "profile:", ["4:1 CFG011 'profile' is not known here; did you mean profiles?", "4:1 CFG012 'profiles' is missing"]),
        ("mappings/relevance/contrast.yaml", "id: R18", "id: R01", ["46:9 REF006 rule R01 is there twice"]),
        ("mappings/relevance/contrast.yaml", "agents: [group_2]", "agents: [group_3]", ["8:9 REF006 rule R18: no agent group group_3; did you mean group_2?"]),
        ("mappings/relevance/contrast.yaml", "severity: S", "severity: X", ["14:15 CFG013 'X' is none of S, I, C"]),
        ("mappings/relevance/contrast.yaml", "concepts: [egfr]", "concepts: [egfrr]", ["18:22 REF007 there is no concept 'egfrr'; did you mean egfr?"]),
        ("mappings/relevance/contrast.yaml", "concepts: [dialysis], state: active, without: [kidney_transplant]", "concepts: [dialysis], state: active, without: [kidny_transplant]", ["52:57 REF007 there is no concept 'kidny_transplant'; did you mean kidney_transplant?"]),
        ("mappings/relevance/contrast.yaml", "names: {dialysis: Dialysis}", "names: {dialysis: Avoid dialysis}", ["36:86 ADV001 'Avoid' is advice: a rendered text states fact, limit and source"]),
        ("mappings/relevance/contrast.yaml", "!dialysis", "!hold dialysis", ["40:16 CFG010 `hold` is advice: a rendered text states fact, limit and source"]),
        ("mappings/relevance/contrast.yaml", "outpatient: 90d", "outpatient: 90", ["13:26 CFG010 a length of time is a number and min, h, d or w (`90d`, `48h`), or `ever`"]),
        ("mappings/relevance/contrast.yaml", "rules:", "rules: []\nx:", ["7:1 CFG011 'x' is not known here"]),
        ("mappings/relevance/contrast.yaml", "{value} {unit}{formula}", "{vaule} {unit}{formula}", ["24:17 CFG010 unknown name {vaule}; did you mean {value}?"]),
    ],
)  # fmt: skip
def test_a_mistake_in_a_mapping(site: Path, file: str, old: str, new: str, wanted: list[str]) -> None:
    """Tables, exams, concepts, policy, receivers and rules."""
    assert found(site, file, old, new) == wanted


@pytest.mark.parametrize(
    ("file", "content", "wanted"),
    [
        ("channels/adt.yaml", "- a\n", ["1:1 CFG010 a map of keys and values is wanted"]),
        ("channels/adt.yaml", "", ["1:1 CFG010 a map of keys and values is wanted"]),
        ("config.yaml", "", ["1:1 CFG010 a map of keys and values is wanted"]),
        (
            "mappings/relevance/pregnancy.yaml",
            "rules: [",
            ["2:1 CFG001 while parsing a flow node did not find expected node content"],
        ),
        ("mappings/relevance/pregnancy.yaml", "", []),
    ],
)
def test_a_file_that_says_something_else(site: Path, file: str, content: str, wanted: list[str]) -> None:
    """A list, nothing, half of something; a file of rules may be empty."""
    (site / file).write_text(content)
    assert [str(finding) for finding in lint(site)] == [f"{file}:{one}" for one in wanted]


def test_rules_that_wait_for_each_other(site: Path) -> None:
    """Said once, at one of them, with the way round."""
    assert found(site, "mappings/relevance/contrast.yaml", "with_any: [R01, R03]", "with_any: [R01, R06]") == [
        "138:9 REF006 rules wait for each other: R06 -> R06"
    ]


# the site as a whole


def messages(site: Path) -> list[str]:
    return [str(finding) for finding in lint(site)]


def test_a_site_without_channels(site: Path) -> None:
    """Also where the folder is not there."""
    shutil.rmtree(site / "channels")
    assert messages(site) == ["channels:1:1 CFG003 there is no channel; a site has one YAML file for each in channels/"]


def test_a_site_without_its_files(tmp_path: Path) -> None:
    """An empty folder: what is missing, one by one."""
    (tmp_path / "config.yaml").write_text("listeners:\n  lab: {port: 2575}\n")
    assert messages(tmp_path) == [
        "channels:1:1 CFG003 there is no channel; a site has one YAML file for each in channels/",
        *(
            f"mappings/{name}.yaml:1:1 CFG003 cannot be read: No such file or directory"
            for name in ("concepts", "exams", "policy", "profiles")
        ),
    ]
    (tmp_path / "config.yaml").unlink()
    assert "config.yaml:1:1 CFG003 cannot be read: No such file or directory" in messages(tmp_path)


def test_two_files_of_one_channel(site: Path) -> None:
    """Both are named, since nobody knows which one is meant."""
    shutil.copy(site / "channels" / "adt.yaml", site / "channels" / "adt2.yaml")
    assert messages(site) == [
        "channels/adt.yaml:1:10 CHN002 2 files define the channel adt",
        "channels/adt2.yaml:1:10 CHN002 2 files define the channel adt",
    ]


def test_a_channel_without_tests(site: Path) -> None:
    """At its beginning, since there is no key to point at."""
    path = site / "channels" / "adt.yaml"
    path.write_text(path.read_text().partition("tests:")[0])
    assert messages(site) == ["channels/adt.yaml:1:1 TST001 the channel adt has no tests"]


def test_a_listener_that_nobody_hears(site: Path) -> None:
    """A channel was removed and its listener was not."""
    (site / "channels" / "adt.yaml").unlink()
    assert messages(site) == [
        "config.yaml:5:3 REF008 no channel is `from: adt`; what comes in there is kept and nothing is done with it"
    ]


def test_a_table_that_nobody_uses(site: Path) -> None:
    """It was renamed, or its channel forgot it."""
    (site / "mappings" / "tables" / "wards.csv").write_text("code,value\nICU,INTENSIVE CARE\n")
    assert messages(site) == ["mappings/tables/wards.csv:1:1 MAP006 no step of a channel uses this table"]


def test_a_table_may_have_more_columns(site: Path) -> None:
    """A remark of the site, in translations as in exams."""
    for name in ("procedure_codes", "exams"):
        path = site / "mappings" / "tables" / f"{name}.csv"
        path.write_text("".join(f"{line},x\n" for line in path.read_text().splitlines()))
    assert messages(site) == []


def test_a_site_without_a_table_of_exams(site: Path) -> None:
    """The words of the order tell the exam; a test of ours that needs the table is no matter of lint."""
    (site / "mappings" / "tables" / "exams.csv").unlink()
    assert messages(site) == []


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"\xff", "1:1 CFG003 cannot be read: it is not UTF-8"),
        (b"a: " + b"[" * 120 + b"]" * 120, "1:1 CFG001 the file is too large or nested too deep"),
        (b"a: " + b"x" * 5_000_000, "1:1 CFG001 the file is too large or nested too deep"),
        (b"a: &x 1\nb: *x\n", "1:4 CFG002 anchors and aliases are not read; write the value again"),
        (b"a: !!python/name:os.system\n", "1:4 CFG002 tags are not read"),
        (b"a: 'open\n", "2:1 CFG001 while scanning a quoted scalar found unexpected end of stream"),
    ],
)
def test_a_file_that_cannot_be_used(site: Path, raw: bytes, said: str) -> None:
    """Neither memory nor code of ours is lent to a file."""
    (site / "channels" / "adt.yaml").write_bytes(raw)
    assert messages(site) == [f"channels/adt.yaml:{said}"]


def test_a_deep_but_small_indentation_is_no_mistake(site: Path) -> None:
    """Long lines of blanks and dashes are counted before YAML is asked, and are found to be shallow."""
    path = site / "channels" / "adt.yaml"
    path.write_text(path.read_text() + " " * 90 + "# [ [ [ [ [ [ [ [ [ [ [ [\n")
    assert messages(site) == []


def test_a_sample_that_is_no_message(site: Path) -> None:
    """A finding at the test that names it, with what is wrong about the file."""
    (site / "channels" / "samples" / "adt_a01_doe.hl7").write_text("hello")
    where = [message.partition(" TST002 ")[0] for message in messages(site)]
    assert where == [
        "channels/adt.yaml:12:27",
        "channels/medications.yaml:16:27",
        "channels/orders_to_pacs.yaml:31:16",
    ]
    assert all("'samples/adt_a01_doe.hl7' is no message: " in message for message in messages(site))


def test_a_part_that_is_not_there_is_none() -> None:
    """What a finding asks of a document that says something else."""
    content = {"steps": [{"step": "remove"}]}
    assert part_at(content, ("steps", 0, "step")) == "remove"
    assert [part_at(content, place) for place in (("steps", 1), ("steps", "x"), ("x", 0), ("steps", 0, "step", 0))] == [
        None
    ] * 4


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("channels/adt.yaml", "  MSH-9: [ADT]", "  MSH-9: {matches: '^ADT'}"),
        ("channels/adt.yaml", "  MSH-9: [ADT]", "  any: [{MSH-9: ADT^ZZ1}, {not: {MSH-9: [ORU]}}]"),
        ("channels/adt.yaml", "  MSH-9: [ADT]", "  MSH-9: ADT^A01\n  ZPD-77: {exists: no}"),
        ("channels/adt.yaml", "    kinds:", "    when: {all: [{PID-8: [F, M]}, {not: {PV1-2: ''}}]}\n    kinds:"),
        (
            "channels/orders_to_pacs.yaml",
            "given: {message_file: samples/orm_ct_abdomen.hl7, ",
            "given: {message_file: samples/orm_ct_abdomen.hl7, context: [{allergy: Latex}], ",
        ),
        ("mappings/relevance/pregnancy.yaml", "    reviewed: null", "    reviewed:"),
    ],
)
def test_what_is_no_mistake(site: Path, file: str, old: str, new: str) -> None:
    """Control: other ways of saying the same, events and segments of a site's own, rules without a review."""
    assert found(site, file, old, new) == []
