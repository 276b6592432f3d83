"""The words that change what a number beside them is worth, as data.

A phrase is a few words. `#` in it stands for a number (digits, or a word up to twelve), `@` for a number or a variable,
`*` for any word. The words are English ones.
"""

from typing import Final, TypeAlias

Phrases: TypeAlias = dict[str, tuple[tuple[str, ...], ...]]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NUMBER_WORDS: Final = _words(
    "zero one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty sixty seventy eighty ninety"
)
SIGNS: Final = {"minus": "-", "negative": "-", "plus": "+"}
"""Words that are read as a sign."""
BEFORE_SIGN: Final = _words(
    "is was are were be becomes became equals equal to of at as a get gets got getting give gives giving yield yields "
    "obtain obtains have has say says therefore thus hence so then it's that's this's answer's about approximately "
    "roughly around exactly precisely namely returns reaches"
) | frozenset(':=,.;!?>"&(')
"""What may stand before `minus` and `plus` where they are signs; behind anything else they are operators."""
SIGN_TOO: Final = frozenset(
    {
        "false",
        "wrong",
        "incorrect",
        "not",
        "than",
        "least",
        "most",
        "except",
        "minus",
        "negative",
        "non",
        "hex",
        "hexadecimal",
        "octal",
        "binary",
        "mistake",
        "twice",
        "double",
        "half",
    }
)
"""Words that change a number even when a colon or a closing bracket stands between."""
THROUGH_BRACKET: Final = frozenset({*SIGN_TOO, "of", "by", "times", "to", "equal", "or"})
"""Words, beside signs and functions, that reach into a bracket: `one hundred (100)` is 100, `less than (100)` is nothing."""
FILLERS: Final = _words(
    "a an the about around some even just only maybe perhaps value number amount figure quantity integer answer "
    "result be been being indeed going actual total whole another approx circa still say like quite else"
)
"""Words that say nothing of the number behind them: what stands before them counts. So does any other word on -ly."""
FUNCTIONS: Final = _words(
    "sqrt root cbrt sin cos tan cot csc sine cosine tangent arcsin arccos arctan sinh cosh tanh log ln lg exp "
    "logarithm abs gcd lcm hcf factorial pi"
)
TRANSPARENT_CALLS: Final = _words(
    "answer final final_answer final_result finalanswer result value total output solution submit print return "
    "returns str repr float float16 float32 float64 int8 int16 int32 int64 uint8 integer decimal fraction rational "
    "number mpf tensor array np boxed is"
)
"""Names before a bracket that say how a number is shown, not what is done to it."""
COMPARATIVES: Final = _words(
    "more less fewer greater higher lower larger smaller bigger longer shorter older younger above below over under "
    "beyond up upward upwards better worse later earlier heavier lighter"
)
ABBREVIATIONS: Final = _words("max min r rem ft yd lb lbs hr hrs mins")
"""Words whose full stop does not part them from the number behind."""
SMALLER_UNITS: Final = _words(
    "inches inch in minutes minute min mins seconds second secs sec s ounces ounce oz cents cent months month weeks week days day "
    "hours hour hrs hr h centimeters centimetres cm millimeters millimetres mm grams g meters metres m pence feet foot ft quarts pints"
)
"""Units that follow a larger one in a quantity of several: `5 feet, 6 inches`."""
LARGER_UNITS: Final = _words(
    "feet foot ft yards yard yd miles mile hours hour hrs hr h minutes minute min mins days day weeks week months month years year "
    "yrs pounds pound lb lbs stone gallons gallon quarts quart pints dollars dollar euros euro m km kg meters metres meter metre "
    "kilometers kilometres kilograms liters litres l degrees degree deg"
)
"""Units that a smaller one may follow: `5 feet 6 inches`, `5 hours 30`."""
_ROOTS = "square root|cube root|root|square roots|roots"
_OF = (
    f"{_ROOTS}|sqrt|cbrt|square|cube|sin|sine|cos|cosine|tan|tangent|log|logarithm|ln|exp|exponential|factorial|absolute value"
    "|abs|floor|ceiling|half|third|quarter|fourth|fifth|tenth|thirds|quarters|fourths|fifths|tenths|percent|percentage|fraction"
    "|%|multiple|multiples|factor|factors|divisor|divisors|power|powers|reciprocal|inverse|opposite|negative|negation|complement"
    "|double|twice|triple|quadruple|opposite sign|digit|digits|short|shy|upwards|upward|excess|minimum|maximum|bound|out|instead|successor|predecessor"
    "|derivative|negatives|conjugate|north|south|loss|losses|deficit|drop|decrease|decline|reduction|shortfall|debt|mistake|fall|dip|slump|exception|exclusive|max .|min ."
)
_BEFORE = (
    "not in fact|not|never|no longer|no means|no way|unlikely|unlikely to|neither|nor|cannot|isnt|isn't|wasnt|hardly|scarcely|not equal|unequal|not equal to|unequal to|or equal to"
    "|not equals|not as|non|nonnegative"
    "|than|at least|at most|at minimum|at maximum|at the least|at the most|at the very least|at the very most|at best|at worst|minimum|maximum|min|max|up to"
    "|as * as|below|above|under|over|beyond|past|exceeds|exceed|exceeded|exceeding|surpasses|surpassing|within|less|fewer"
    "|bound|limited to|capped at|almost|nearly|close to|closer to|near|approaches|approaching"
    "|anything but|everything but|anything except|all but|any * but|nothing like|except|except for|excluding|besides|without"
    "|apart from|aside from|far from|unlike|instead of|opposed to|different from|differs from|from|short of|other than"
    "|# choose|fraction ( # ,|rational ( # ,|# dollars and|# dollar and|# euros and|# euro and|# pounds and|# pound and"
    "|# hours and|# hour and|# minutes and|# minute and|# feet and|# foot and|# degrees and|# years and|# weeks and|# days and"
    "|mistakenly|wrongly|incorrectly|falsely|erroneously"
    "|half|half a|half the|twice|double|triple|treble|thrice|quadruple|doubled|times|multiplied by|divided by|multiply by"
    "|multiplying by|divide by|dividing by|divisible by|# over|@ over|modulo|mod|off by|give or take|or take|plus or minus"
    "|@ increased by|@ decreased by|@ reduced by|@ diminished by|number increased by|number decreased by|it increased by"
    "|it decreased by|added to|subtracted from|taken from|subtract|square|cube|base|in base|to base|raised to"
    "|to the|to the power|to the power of|the power|hundred|hundred and|thousand|thousand and|million|million and"
    "|# in|# to|# x|# by|# per|# vs|# versus|# through|# until|# till|# and then|between # and|ratio of # to|# of|# of the"
    "|# remainder|# with remainder|# with a remainder of|# point|point|score and|log #|logarithm base #"
    "|next to|number after|number before|prime after|prime before|integer after|integer before|comes after|comes before|just after"
    "|just before|right after|right before|congruent to|coprime to|prime to|proportional to|opposite to|contrary to|bounded by"
    "|bounded above by|bounded below by|adjacent to|prior to|compared to|relative to|used to|thought to|excludes|exclude|take away"
    "|false|wrong|incorrect|halve|factorial|halving|halves|doubling|tripling|trebling|squaring|cubing|negating|negate|invert|inverting"
    "|doubles|triples|squares|cubes|hex|hexadecimal|octal|binary|raised by|lowered by|multiplied with|shifted by|scaled by|reduced by #"
    "|maximally|minimally|barring|save for|all save|anything save|everything save|anyone save|anyone but|anybody but|anywhere but|* but not|aint|dont|doesnt|arent"
    "|wont|barely|practically|virtually|just about|well over|well under|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
    "|down|squareroot|quartering|common mistake|typical mistake|base #|in hex ,|in binary ,|in octal ,|in hexadecimal ,|upper bound is|lower bound is"
    "|upper limit is|lower limit is|excepting|sans|nigh|nigh on|getting on for|close on|not always|nobody|mistake is|mistakes are|mistake would be|mistake was|common error is|typical error is|frequent error is|usual error is"
    "|common error would be|trap is|misconception is|trap would be|trap answer is|tempting answer is|naive answer is|overestimate"
    "|underestimate|alternatively|# r|# rem|# c|# p|# is to|# maybe|# perhaps|# possibly|# otherwise|# , maybe|# , perhaps"
    "|# , possibly|# , otherwise|# else|# , else|if not|# dozen and|# , remainder|# ( remainder|# tens|# tens and|# hundreds"
    "|# hundreds and|# dozen|# dozens"
)
EXCEPTIONS: Final[dict[tuple[str, ...], tuple[str, ...]]] = {
    ("#", "to"): ("round", "simplif", "reduc", "convert", "evaluat"),
    ("up", "to"): ("add", "sum", "round", "total"),
    ("down",): ("writ", "wrote", "put", "jot", "not", "set", "com", "boil", "break", "broke"),
}
"""Phrases that leave the number what it is beside a word with one of these beginnings: `rounds 41.7 to 42`, `adds up to 42`."""
PASSED_OVER: Final = frozenset({"nearest"})
"""A number behind one of these says how another one was rounded."""
_AFTER = (
    "squared|cubed|to the second|to the third|to the fourth|to the fifth|to the sixth|to the seventh|to the eighth|to the ninth"
    "|to the tenth|to the nth|factorial|doubled|tripled|halved|quadrupled|negated|inverted|plus|minus|mod|modulo|divided|multiplied|choose"
    "|raised to|to the power|to the #|to #|to @|through #|thru #|until #|till #|vs|versus|from #|from @|added to|subtracted from"
    "|taken from|increased by|decreased by|reduced by|less #|less @|over #|over @|by #|x #|of #|of @|out of #|per #|per hundred"
    "|per thousand|per million|per mille|permille|parts per|basis point|basis points|bps|point"
    "|times #|times @|times the square|times the cube|times the root|times the log|times the sum|times a number|times itself"
    "|times (|times half|times that number|dozens|quadrillion|quadrillions|quintillion|sextillion|zillion|mln|bln|mio|mrd"
    "|milliard|milliards|tenths|hundredths|thousandths|millionths|billionths|halves|thirds|fourths|fifths|sixths|sevenths|eighths"
    "|ninths|twelfths|sixteenths|base|in base|in binary|in hex|in hexadecimal|in octal|binary|hexadecimal|octal|remainder"
    "|with remainder|with a remainder|max|maximum|minimum|tops|upward|upwards|and up|and above|and over|and below|and under"
    "|and more|and beyond|and counting|and higher|and lower|and older|and younger|and upward|and upwards|and less|and fewer"
    "|and a half|and half|and one half|and a quarter|and one quarter|and a third|and one third"
    "|and two thirds|and three quarters|and some|and change|and a bit"
    "|at least|at most|at minimum|at maximum|at the least|at the most|at the very least|at the very most|at best|at worst"
    "|rounded down|rounded up|truncated|with a minus|with a negative|with negative|but negative|but with a minus|but with a negative"
    "|in the negative|to the left of|below zero|below freezing|below|degrees below|* degrees below|or not|short of #|shy of #|not included|excluded"
    "|and then|and add|and subtract|and multiply|and divide|and double|and halve|and square|is half|is twice|is double|is less than @|is more than @|is greater than @|is a lower bound|is an upper bound"
    "|is the lower bound|is the upper bound|is the square|take away|s square|s cube|s root|s factorial|s reciprocal|s inverse"
    "|s negative|s opposite|s double|s half|s negation|s logarithm|s complement|s successor|s predecessor|s absolute value"
    "|all squared|all cubed|all over|all divided|all times|raised by|lowered by|shifted by|scaled by|multiplied with|in debt|in the red"
    "|in the hole|overdrawn|underwater|is the upper limit|is an upper limit|is the lower limit|is a lower limit|is an overestimate"
    "|is an underestimate|is the ceiling|is the floor|is the cap|is the limit|is an upper estimate|is a lower estimate|alternatively"
    "|when squared|once squared|when cubed|when doubled|when halved|would be an overestimate|would be an underestimate|overestimates"
    "|underestimates|in arrears|under zero|etc|et al|among others|among other"
    "|feet #|foot #|ft #|yards #|yard #|miles #|hours #|hour #|hrs #|hr #|h #|minutes #|minute #|min #|mins #|days #|weeks #|months #"
    "|years #|pounds #|lb #|lbs #|stone #|gallons #|dollars #|euros #|m #|km #|kg #|meters #|metres #|degrees #|deg #|r #|rem #|kilometers #|kilometres #|kilograms #|liters #|litres #|l #|c #|p #|is to #"
    "|ft . #|yd . #|lb . #|hr . #|hrs . #|min . #|rem . #|r . #|tens #|tens and #|hundreds #|hundreds and #"
    "|repeating|recurring|repeated|and so on|ad infinitum|maybe #|perhaps #|possibly #|otherwise|else #|if not #"
)
_AFTER_UNIT = (
    "plus|minus|at least|at most|at minimum|at maximum|at the least|at the most|at the very least|at the very most|minimum"
    "|maximum|and up|and above|and over|and more|and beyond|and counting|and upward|and upwards|or not|divided by|multiplied by"
    "|below zero|below freezing|times #|in debt|in the red|in the hole|overdrawn"
)
_ASIDE = (
    "at least|at most|at minimum|at maximum|at the least|at the most|at the very least|at the very most|minimum|maximum|negative|but negative"
    "|squared|cubed|factorial|binary|hex|hexadecimal|octal|base|in binary|wrong|incorrect|not correct|not right"
    "|minus #|plus #|less #|halved|doubled|false|untrue|maybe #|perhaps #|possibly #|otherwise|else #|or else|all squared|all cubed|max|etc|et al|among others|among other|remainder|remainder #|alternatively #"
)


def _indexed(phrases: str, *, by: int, tail: str = "") -> Phrases:
    """Phrases that `|` separates, by their first (0) or last (-1) word."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for phrase in phrases.split("|"):
        words = (*phrase.split(), *tail.split())
        found.setdefault(words[by], []).append(words)
    return {word: tuple(same) for word, same in found.items()}


def _merged(one: Phrases, other: Phrases) -> Phrases:
    return {word: one.get(word, ()) + other.get(word, ()) for word in {*one, *other}}


BEFORE: Final = _merged(
    _indexed(_BEFORE + "|" + "|".join(sorted(FUNCTIONS - {"pi", "factorial"})), by=-1),
    _indexed(_OF, by=-1, tail="of"),
)
"""Phrases that change a number behind them, by their last word."""
AFTER: Final = _indexed(_AFTER, by=0)
"""Phrases that change a number before them, by their first word."""
AFTER_UNIT: Final = _indexed(_AFTER_UNIT, by=0)
"""The same where a unit of one or two words stands between."""
ASIDE: Final = _indexed(_ASIDE, by=0)
"""The same behind a comma or an opening bracket."""
