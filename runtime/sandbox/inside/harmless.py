"""Names that no sample can use to run code or to change what another row is graded with: the closed list of `sharing`.

What is not here is not known to be harmless, which is all that its absence says. Left out on purpose, for instance: whatever
takes text as code (`eval`, `numpy.load` with its pickles, `typing.get_type_hints`), finds attributes by text (`getattr`,
`str.format` on a text that is no constant, or has a field with a dot, `operator.attrgetter`), opens files, starts threads, or sets something for the
whole process (`numpy.seterr`, `locale`).
"""

import ast
import builtins


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MODULES: dict[str, frozenset[str]] = {
    module: _words(names)
    for module, names in {
        "__future__": "annotations",
        "abc": "ABC abstractmethod",
        "ast": "literal_eval parse walk dump unparse iter_child_nodes iter_fields NodeVisitor "
        + " ".join(
            name for name, kind in vars(ast).items() if isinstance(kind, type) and issubclass(kind, ast.AST)
        ),
        "base64": "b64decode b64encode b32decode b32encode b16decode b16encode b85decode b85encode "
        "urlsafe_b64decode urlsafe_b64encode standard_b64decode standard_b64encode",
        "binascii": "Error hexlify unhexlify crc32 a2b_hex b2a_hex a2b_base64 b2a_base64",
        "bisect": "bisect bisect_left bisect_right insort insort_left insort_right",
        "calendar": "isleap monthrange timegm weekday month_name month_abbr day_name day_abbr leapdays",
        "cmath": "acos asin atan cos cosh e exp inf infj isclose isfinite isinf isnan log log10 nan phase pi polar rect "
        "sin sinh sqrt tan tanh tau",
        "collections": "ChainMap Counter OrderedDict UserDict UserList defaultdict deque namedtuple",
        "collections.abc": "Callable Collection Container Generator Hashable Iterable Iterator Mapping MutableMapping "
        "MutableSequence MutableSet Sequence Set Sized ItemsView KeysView ValuesView",
        "colorsys": "rgb_to_hsv hsv_to_rgb rgb_to_hls hls_to_rgb rgb_to_yiq yiq_to_rgb",
        "contextlib": "contextmanager nullcontext suppress",
        "copy": "copy deepcopy",
        "csv": "DictReader Error QUOTE_ALL QUOTE_MINIMAL QUOTE_NONE QUOTE_NONNUMERIC reader",
        "dataclasses": "asdict astuple dataclass field fields replace",
        "datetime": "MAXYEAR MINYEAR UTC date datetime time timedelta timezone",
        "decimal": "Decimal DecimalException DivisionByZero InvalidOperation Overflow ROUND_CEILING ROUND_DOWN ROUND_FLOOR "
        "ROUND_HALF_DOWN ROUND_HALF_EVEN ROUND_HALF_UP ROUND_UP Context localcontext getcontext",
        "difflib": "SequenceMatcher Differ get_close_matches ndiff unified_diff context_diff",
        "enum": "Enum Flag IntEnum IntFlag StrEnum auto unique",
        "fnmatch": "fnmatch fnmatchcase filter translate",
        "fractions": "Fraction",
        "functools": "cache cached_property cmp_to_key lru_cache partial reduce total_ordering wraps",
        "hashlib": "blake2b blake2s md5 sha1 sha224 sha256 sha384 sha512 sha3_256 sha3_512",
        "heapq": "heapify heappop heappush heappushpop heapreplace merge nlargest nsmallest",
        "hmac": "compare_digest",
        "html": "escape unescape",
        "io": "BytesIO StringIO",
        "itertools": "accumulate chain combinations combinations_with_replacement compress count cycle dropwhile filterfalse "
        "groupby islice pairwise permutations product repeat starmap takewhile tee zip_longest",
        "json": "JSONDecodeError JSONDecoder JSONEncoder dumps loads",
        "keyword": "iskeyword issoftkeyword kwlist",
        "math": "acos acosh asin asinh atan atan2 atanh cbrt ceil comb copysign cos cosh degrees dist e erf erfc exp exp2 "
        "expm1 fabs factorial floor fmod frexp fsum gamma gcd hypot inf isclose isfinite isinf isnan isqrt lcm ldexp lgamma "
        "log log10 log1p log2 modf nan nextafter perm pi pow prod radians remainder sin sinh sqrt sumprod tan tanh tau trunc "
        "ulp",
        "numbers": "Complex Integral Number Rational Real",
        "numpy": "abs absolute add all allclose amax amin any append arange arccos arcsin arctan arctan2 argmax argmin argsort "
        "argwhere array array_equal asarray atleast_1d atleast_2d average bincount bool_ ceil clip column_stack concatenate "
        "convolve corrcoef cos cosh count_nonzero cov cross cumprod cumsum deg2rad diag diff digitize divide dot dtype e "
        "empty equal errstate exp expm1 eye fill_diagonal finfo flatnonzero flip float16 float32 float64 floating floor fmax "
        "fmin full full_like generic greater greater_equal gradient histogram hstack hypot identity iinfo in1d inf inner "
        "insert int16 int32 int64 int8 integer interp intersect1d isclose isfinite isin isinf isnan isscalar kron less "
        "less_equal linspace log log10 log1p log2 logical_and logical_not logical_or logical_xor logspace matmul max maximum "
        "mean median meshgrid min minimum mod multiply nan nan_to_num nanmax nanmean nanmedian nanmin nanstd nansum ndarray "
        "ndim negative newaxis nonzero not_equal number ones ones_like outer percentile pi polyfit polyval power prod ptp "
        "quantile rad2deg ravel repeat reshape roll rot90 round searchsorted setdiff1d shape sign sin sinh size sort split "
        "sqrt square squeeze stack std subtract sum swapaxes take tan tanh tensordot tile trace transpose trapezoid tril triu "
        "uint16 uint32 uint64 uint8 union1d unique unravel_index var vdot vstack where zeros zeros_like",
        "numpy.fft": "fft ifft rfft irfft fftfreq",
        "numpy.linalg": "LinAlgError cond det eig eigh eigvals eigvalsh inv lstsq matrix_rank norm pinv qr slogdet solve svd",
        "numpy.random": "RandomState choice default_rng normal permutation rand randint randn random seed shuffle uniform",
        "numpy.typing": "ArrayLike NDArray",
        "operator": "abs add and_ concat contains countOf eq floordiv ge gt index indexOf inv invert is_ is_not itemgetter le "
        "lshift lt matmul mod mul ne neg not_ or_ pos pow rshift sub truediv truth xor",
        "random": "Random choice choices gauss normalvariate randint random randrange sample seed shuffle uniform",
        "rapidfuzz": "",
        "rapidfuzz.distance": "",
        **{
            f"rapidfuzz.distance.{name}": "distance similarity normalized_distance normalized_similarity"
            for name in _words(
                "DamerauLevenshtein Hamming Indel JaroWinkler Jaro LCSseq Levenshtein OSA Prefix Postfix"
            )
        },
        "rapidfuzz.fuzz": "QRatio WRatio partial_ratio partial_token_ratio partial_token_set_ratio partial_token_sort_ratio "
        "ratio token_ratio token_set_ratio token_sort_ratio",
        "rapidfuzz.process": "extract extractOne cdist",
        "rapidfuzz.utils": "default_process",
        "re": "A ASCII DOTALL I IGNORECASE M MULTILINE Match NOFLAG Pattern RegexFlag S U UNICODE VERBOSE X compile error "
        "escape findall finditer fullmatch match search split sub subn",
        "shlex": "quote split",
        "statistics": "NormalDist StatisticsError correlation covariance fmean geometric_mean harmonic_mean linear_regression "
        "mean median median_grouped median_high median_low mode multimode pstdev pvariance quantiles stdev variance",
        "string": "Template ascii_letters ascii_lowercase ascii_uppercase capwords digits hexdigits octdigits printable "
        "punctuation whitespace",
        "struct": "calcsize error pack unpack unpack_from iter_unpack",
        "sys": "float_info maxsize",
        "textwrap": "dedent fill indent shorten wrap",
        "time": "gmtime monotonic perf_counter process_time sleep strftime strptime time",
        "traceback": "format_exc",
        "types": "MappingProxyType NoneType SimpleNamespace",
        "typing": "AbstractSet Annotated Any AnyStr Callable ClassVar Collection Counter DefaultDict Deque Dict Final FrozenSet "
        "Generator Generic Hashable Iterable Iterator List Literal Mapping MutableMapping NamedTuple NewType NoReturn "
        "Optional OrderedDict Pattern Match Protocol Self Sequence Set Sized Tuple Type TypeAlias TypeVar TypedDict Union "
        "cast overload runtime_checkable",
        "unicodedata": "bidirectional category combining decimal digit east_asian_width is_normalized lookup name normalize "
        "numeric",
        "urllib.parse": "parse_qs parse_qsl quote quote_plus unquote unquote_plus urlencode urljoin urlparse urlsplit "
        "urlunparse urlunsplit",
        "uuid": "UUID",
        "warnings": "catch_warnings filterwarnings simplefilter warn",
        "zlib": "adler32 crc32",
        "zoneinfo": "ZoneInfo ZoneInfoNotFoundError",
    }.items()
}
"""What a source may import, and what it may take from each; a module whose name begins with another's lies in it."""
MODULES["regex"] = MODULES["re"] | {
    "V0",
    "V1",
    "VERSION0",
    "VERSION1",
    "R",
    "REVERSE",
    "B",
    "BESTMATCH",
    "E",
    "F",
}

BUILTINS = _words(
    "abs all any ascii bin bool bytearray bytes callable chr classmethod complex dict divmod enumerate filter float format "
    "frozenset hasattr hash hex id int isinstance issubclass iter len list map max min next object oct ord pow print property "
    "range repr reversed round set slice sorted staticmethod str sum super tuple zip Ellipsis NotImplemented "
    "dir input memoryview"
) | {
    name
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, BaseException)
}
"""Built-in names that may be used in any way."""
OTHER_BUILTINS = frozenset(vars(builtins)) - BUILTINS
"""Those that may not, whatever a source binds to them; `type(x)` and `getattr(x, "name")` in that form alone."""

DUNDER_NAMES = frozenset(
    {"__all__", "__author__", "__doc__", "__hash__", "__match_args__", "__name__", "__slots__", "__version__"}
)
"""Names with two underscores that a source may read or bind."""

_OF_BUILTINS = {
    name
    for kind in (
        str,
        bytes,
        bytearray,
        list,
        tuple,
        dict,
        set,
        frozenset,
        int,
        float,
        complex,
        range,
        slice,
        property,
    )
    for name in dir(kind)
    if not name.startswith("_")
} - {"format", "format_map"}
_OF_OTHERS = _words(
    # exceptions, classes, functions
    "args with_traceback add_note msg lineno colno pos doc offset text reason start end object value cache_clear cache_info "
    "__name__ __doc__ __init__ __new__ __len__ __eq__ __post_init__ __members__ "
    # re, difflib, string.Template, csv, io
    "group groups groupdict span lastindex lastgroup string pattern flags match search fullmatch finditer findall sub subn "
    "split expand captures ratio quick_ratio real_quick_ratio get_matching_blocks get_opcodes get_grouped_opcodes "
    "find_longest_match set_seq1 set_seq2 set_seqs compare a b size substitute safe_substitute fieldnames read readline "
    "readlines write getvalue seek decode encode raw_decode "
    # collections, itertools, dataclasses, enum
    "most_common elements subtract total appendleft popleft extendleft rotate maxlen move_to_end new_child maps default_factory "
    "from_iterable _asdict _replace _fields name "
    # datetime, zoneinfo, calendar
    "year month day hour minute second microsecond tzinfo days seconds microseconds total_seconds date time timetz datetime now "
    "utcnow today fromtimestamp utcfromtimestamp fromisoformat isoformat strftime strptime timestamp timetuple utctimetuple "
    "weekday isoweekday isocalendar toordinal fromordinal combine astimezone utcoffset dst tzname utc key tm_year tm_mon tm_mday "
    "tm_hour tm_min tm_sec tm_wday tm_yday min max resolution "
    # numbers
    "quantize normalize to_integral_value to_integral sqrt exp ln log10 is_nan is_infinite is_finite is_zero is_signed is_integer "
    "as_tuple adjusted copy_abs compare scaleb prec rounding limit_denominator digits exponent sign mu sigma mean median mode "
    "stdev variance cdf inv_cdf pdf zscore overlap samples slope intercept epsilon dig mant_dig "
    # random, hashlib, uuid, urllib.parse
    "choice choices randint random randrange sample seed shuffle uniform gauss normalvariate hexdigest digest update hex bytes "
    "scheme netloc path params fragment username password hostname port geturl "
    # arrays and what they are made with
    "T all any argmax argmin argsort astype clip compress conj copy cumprod cumsum diagonal dot dtype fill flat flatten item "
    "itemsize kind max mean min nbytes ndim newaxis nonzero prod ptp ravel repeat reshape round searchsorted shape size "
    "sort squeeze std sum swapaxes take tobytes tolist trace transpose var eps tiny integers normal standard_normal "
    "permutation "
    # results of rapidfuzz, nodes of ast, spelled out where a source looks at them
    "score src_start src_end dest_start dest_end "
    "body value values elts keys id attr func args keywords arg left right op ops operand comparators test orelse targets target "
    "visit generic_visit n s"
)
ATTRIBUTES = _OF_OTHERS.union(_OF_BUILTINS)
"""What may stand behind a dot on anything that is not a module; `format` besides, on a text that the source spells out."""

NEVER = _words(
    "eval exec execute query pipe compile format format_map load loads dump system popen globals locals modules builtins "
    "gi_frame gi_code gi_yieldfrom cr_frame cr_code cr_await ag_frame ag_code ag_await tb_frame tb_next f_back f_builtins "
    "f_code f_globals f_lineno f_locals f_trace func_code func_globals get_field vformat ctypes"
)
"""What may stand behind no dot, though the source defines it itself."""
