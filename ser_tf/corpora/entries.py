"""The five corpora: what their file names say, and what is known of them."""

import re
from itertools import product
from pathlib import PurePath

from ser_tf.corpora.corpus import Corpus, Labels
from ser_tf.emotions import WORDS


def _match(pattern: str, stem: str) -> re.Match[str] | None:
    """Matches a whole stem in any case; "_" in the pattern stands for any separator.

    Tools and file systems have renamed some copies of the corpora.
    """
    return re.fullmatch(pattern.replace("_", "[-_ ]"), stem, re.IGNORECASE | re.ASCII)


def _ravdess(path: PurePath) -> Labels | None:
    # Modality 03 is audio alone, vocal channel 01 is speech (02 is song).
    match = _match(r"03_01_(0[1-8])_(0[12])_(\d\d)_(\d\d)_(\d\d)", path.stem)
    if not match:
        return None
    emotion, intensity, sentence, _, actor = match.groups()
    return Labels(
        name="-".join(["03", "01", *match.groups()]),
        speaker=f"ravdess-{actor}",
        emotion=WORDS["ravdess"][emotion],
        sex="male" if int(actor) % 2 else "female",
        intensity={"01": "normal", "02": "strong"}[intensity],
        sentence=sentence,
    )


def _ravdess_names() -> frozenset[str]:
    # Neutral was not spoken with strong intensity.
    return frozenset(
        f"03-01-{emotion}-{intensity}-{sentence}-{repetition}-{actor:02}"
        for emotion, intensity, sentence, repetition, actor in product(
            WORDS["ravdess"], ("01", "02"), ("01", "02"), ("01", "02"), range(1, 25)
        )
        if (emotion, intensity) != ("01", "02")
    )


RAVDESS = Corpus(
    name="ravdess",
    title="RAVDESS",
    handle="uwrfkaggler/ravdess-emotional-speech-audio",
    clips=1440,
    rate_hz=48_000,
    licence="CC BY-NC-SA 4.0 (https://zenodo.org/records/1188976)",
    citation=(
        "S. R. Livingstone, F. A. Russo (2018), The Ryerson Audio-Visual Database of Emotional "
        "Speech and Song (RAVDESS), PLoS ONE 13(5): e0196391"
    ),
    example="Actor_01/03-01-05-01-02-01-01.wav",
    parse=_ravdess,
    names=_ravdess_names,
    quirks={
        "channels": frozenset(
            {
                "03-01-02-01-01-02-01",
                "03-01-02-01-02-02-05",
                "03-01-03-01-02-01-20",
                "03-01-06-01-01-02-20",
                "03-01-08-01-02-02-01",
            }
        ),
        "identical": frozenset({"03-01-03-01-02-01-07", "03-01-03-01-02-02-07"}),
    },
)


_CREMAD_SENTENCES = "DFA IEO IOM ITH ITS IWL IWW MTI TAI TIE TSI WSI"
_CREMAD_INTENSITIES = {"LO": "low", "MD": "medium", "HI": "high", "XX": "", "X": ""}
# From VideoDemographics.csv of https://github.com/CheyneyComputerScience/CREMA-D: 43 of 91 actors.
_CREMAD_FEMALE = (
    "1002 1003 1004 1006 1007 1008 1009 1010 1012 1013 1018 1020 1021 1024 1025 1028 1029 1030 "
    "1037 1043 1046 1047 1049 1052 1053 1054 1055 1056 1058 1060 1061 1063 1072 1073 1074 1075 "
    "1076 1078 1079 1082 1084 1089 1091"
)
_CREMAD_ACTORS = range(1001, 1092)
# The corpus has never had these of the 91 actors x 82 clips: three sentences, each of one actor,
# and two single clips.
_CREMAD_NEVER = re.compile(r"1008_WSI_.*|1009_MTI_.*|1019_ITH_.*|1002_TIE_NEU_XX|1076_ITS_NEU_XX")


def _cremad(path: PurePath) -> Labels | None:
    # Older copies have 1040_ITH_SAD_X.wav, with one X:
    # https://github.com/CheyneyComputerScience/CREMA-D/issues/6
    match = _match(r"(1\d{3})_([A-Z]{3})_([A-Z]{3})_(LO|MD|HI|XX?)", path.stem)
    if not match or match[3].upper() not in WORDS["cremad"]:
        return None
    actor, sentence, emotion, level = map(str.upper, match.groups())
    sex = "female" if actor in _CREMAD_FEMALE.split() else "male"
    return Labels(
        name=f"{actor}_{sentence}_{emotion}_{'XX' if level == 'X' else level}",
        speaker=f"cremad-{actor}",
        emotion=WORDS["cremad"][emotion],
        sex=sex if int(actor) in _CREMAD_ACTORS else "",
        intensity=_CREMAD_INTENSITIES[level],
        sentence=sentence,
    )


def _cremad_names() -> frozenset[str]:
    # Only IEO ("It's eleven o'clock") was spoken at three levels, and neutral at one.
    every = (
        f"{actor}_{sentence}_{emotion}_{level}"
        for actor, sentence, emotion in product(
            _CREMAD_ACTORS, _CREMAD_SENTENCES.split(), WORDS["cremad"]
        )
        for level in (("LO", "MD", "HI") if sentence == "IEO" and emotion != "NEU" else ("XX",))
    )
    return frozenset(name for name in every if not _CREMAD_NEVER.fullmatch(name))


CREMAD = Corpus(
    name="cremad",
    title="CREMA-D",
    handle="ejlok1/cremad",
    clips=7442,
    rate_hz=16_000,
    licence="ODbL 1.0 (https://github.com/CheyneyComputerScience/CREMA-D)",
    citation=(
        "H. Cao, D. G. Cooper, M. K. Keutmann, R. C. Gur, A. Nenkova, R. Verma (2014), CREMA-D: "
        "Crowd-sourced Emotional Multimodal Actors Dataset, IEEE Transactions on Affective "
        "Computing 5(4)"
    ),
    example="AudioWAV/1001_IEO_HAP_LO.wav",
    parse=_cremad,
    names=_cremad_names,
    # https://github.com/CheyneyComputerScience/CREMA-D/issues/8
    quirks={"silent": frozenset({"1076_MTI_SAD_XX"})},
)


_SAVEE_SPEAKERS = ("DC", "JE", "JK", "KL")


def _savee(path: PurePath) -> Labels | None:
    # ALL/DC_a01.wav in Kaggle's copy, AudioData/DC/a01.wav in the original.
    grammar = r"(DC|JE|JK|KL)_((a|d|f|h|n|sa|su)\d\d)"
    match = _match(grammar, path.stem) or _match(grammar, f"{path.parent.name}_{path.stem}")
    if not match:
        return None
    speaker, (sentence, emotion) = match[1].upper(), map(str.lower, match.group(2, 3))
    return Labels(
        name=f"{speaker}_{sentence}",
        speaker=f"savee-{speaker}",
        emotion=WORDS["savee"][emotion],
        sex="male",
        sentence=sentence,
    )


def _savee_names() -> frozenset[str]:
    return frozenset(
        f"{speaker}_{emotion}{number:02}"
        for speaker, emotion in product(_SAVEE_SPEAKERS, WORDS["savee"])
        for number in range(1, 31 if emotion == "n" else 16)
    )


SAVEE = Corpus(
    name="savee",
    title="SAVEE",
    handle="ejlok1/surrey-audiovisual-expressed-emotion-savee",
    clips=480,
    rate_hz=44_100,
    licence="free for research, not to be passed on (http://kahlan.eps.surrey.ac.uk/savee/)",
    citation=(
        "S. Haq, P. J. B. Jackson (2010), Multimodal emotion recognition, in W. Wang (ed.), "
        "Machine Audition: Principles, Algorithms and Systems, IGI Global, chapter 17"
    ),
    example="ALL/DC_a01.wav",
    parse=_savee,
    names=_savee_names,
)


# The 200 words of Northwestern University Auditory Test No. 6 (T. W. Tillman, R. Carhart, 1966),
# as the corpus spells them.
_TESS_WORDS = """
back bar base bath bean beg bite boat bone book bought burn cab calm came cause chain chair chalk
chat check cheek chief choice cool dab date dead death deep dime dip ditch dodge dog doll door fail
fall far fat fit five food gap gas gaze germ get gin goal good goose gun half hall hash hate have
haze hire hit hole home hurl hush jail jar join judge jug juice keen keep keg kick kill king kite
knock late laud lean learn lease lid life limb live loaf long lore lose lot love luck make match
merge mess met mill mob mode mood moon mop mouse nag name near neat nice note numb pad page pain
pass pearl peg perch phone pick pike pole pool puff rag raid rain raise rat reach read red ring ripe
road room rose rot rough rush said sail search seize sell shack shall shawl sheep shirt should shout
size soap soup sour south sub such sure take talk tape team tell thin third thought thumb time tip
tire ton tool tough turn vine voice void vote wag walk wash week wheat when which whip white wife
wire witch yearn yes young youth
"""


_TESS_SPELLINGS = {
    "surprise": "ps",
    "surprised": "ps",
    "pleasantsurprise": "ps",
    "pleasantsurprised": "ps",
    "fearful": "fear",
    "disgusted": "disgust",
}
"""Other spellings of the words in `WORDS`, without separators; folder names use some of them."""


def _tess(path: PurePath) -> Labels | None:
    match = _match(r"(OAF?|YAF)_([a-z]+)_([a-z]+(?:_[a-z]+)?)", path.stem)
    if not match:
        return None
    word = re.sub("[-_ ]", "", match[3].lower())
    word = _TESS_SPELLINGS.get(word, word)
    if word not in WORDS["tess"]:
        return None
    # OA_bite_neutral.wav is a clip of OAF, the older woman.
    speaker, sentence = "YAF" if match[1].upper() == "YAF" else "OAF", match[2].lower()
    return Labels(
        name=f"{speaker}_{sentence}_{word}",
        speaker=f"tess-{speaker}",
        emotion=WORDS["tess"][word],
        sex="female",
        sentence=sentence,
    )


def _tess_names() -> frozenset[str]:
    return frozenset(map("_".join, product(("OAF", "YAF"), _TESS_WORDS.split(), WORDS["tess"])))


TESS = Corpus(
    name="tess",
    title="TESS",
    handle="ejlok1/toronto-emotional-speech-set-tess",
    clips=2800,
    rate_hz=24_414,
    licence="CC BY-NC-ND 4.0 (https://doi.org/10.5683/SP2/E8H2MF)",
    citation=(
        "M. K. Pichora-Fuller, K. Dupuis (2020), Toronto emotional speech set (TESS), Borealis, "
        "doi:10.5683/SP2/E8H2MF"
    ),
    example="OAF_Fear/OAF_back_fear.wav",
    parse=_tess,
    names=_tess_names,
    quirks={"rate": frozenset({"OAF_food_fear"})},
)


def _demo(path: PurePath) -> Labels | None:
    match = _match(r"demo_(\d\d)_([a-z]+)_s(\d)_t(\d)", path.stem)
    if not match or match[2].lower() not in WORDS["demo"]:
        return None
    number, emotion, sentence, take = map(str.lower, match.groups())
    return Labels(
        name=f"demo-{number}_{emotion}_s{sentence}_t{take}",
        speaker=f"demo-{number}",
        emotion=WORDS["demo"][emotion],
        sex="male" if int(number) % 2 else "female",
        sentence=sentence,
    )


def _demo_names() -> frozenset[str]:
    from ser_tf.corpora import demo

    return frozenset(path.stem for path, _ in demo.paths())


DEMO = Corpus(
    name="demo",
    title="the synthetic demo corpus",
    handle=None,
    clips=320,
    rate_hz=16_000,
    licence="that of ser_tf",
    citation="ser_tf.corpora.demo: synthetic speech, no person speaks in it",
    example="demo-01/demo-01_happy_s1_t1.wav",
    parse=_demo,
    names=_demo_names,
)
