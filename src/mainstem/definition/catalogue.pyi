"""Written from the catalogue by `python tools/docs.py`; a test keeps it in step."""

from collections.abc import Callable

from mainstem.definition.expression import Expr, Value

class Functions:
    """Every function of the catalogue; a string is the name of a column where one may stand."""

    def approx_count_distinct(self, x1: Value, /) -> Expr: """About how many different values, within five in a…"""
    def arg_max(self, x1: Value, x2: Value, /) -> Expr: """The value of the row with the largest key (the second…"""
    max_by = arg_max
    def arg_min(self, x1: Value, x2: Value, /) -> Expr: """The value of the row with the smallest key (the second…"""
    min_by = arg_min
    def array_agg(self, x1: Value, /) -> Expr: """The values as a list, in their own order or that of ORDER BY…"""
    list = array_agg
    collect_list = array_agg
    def avg(self, x1: Value, /) -> Expr: """The mean, always as DOUBLE; for exact money divide a DECIMAL sum and…"""
    mean = avg
    def bit_and_agg(self, x1: Value, /) -> Expr: """The bits that are set in all numbers."""
    def bit_or_agg(self, x1: Value, /) -> Expr: """The bits that are set in a number at least."""
    def bit_xor_agg(self, x1: Value, /) -> Expr: """The bits that are set in an odd number of the numbers."""
    def bool_and(self, x1: Value, /) -> Expr: """Whether all values are true."""
    every = bool_and
    def bool_or(self, x1: Value, /) -> Expr: """Whether a value at least is true."""
    def corr(self, x1: Value, x2: Value, /) -> Expr: """The correlation of two columns, -1 to 1; NULL for one…"""
    def count(self, x1: Value = ..., /) -> Expr: """How many rows, written `count(*)` or `count()`; how many…"""
    def count_if(self, x1: Value, /) -> Expr: """For how many rows a condition is true."""
    countif = count_if
    def covar_pop(self, x1: Value, x2: Value, /) -> Expr: """The covariance of all, with n; 0 for one pair."""
    def covar_samp(self, x1: Value, x2: Value, /) -> Expr: """The covariance of a sample, with n - 1; NULL for…"""
    def histogram(self, x1: Value, /) -> Expr: """A map from each value to how many rows have it, in the order of…"""
    def kurtosis(self, x1: Value, /) -> Expr: """The excess kurtosis of a sample, G2 = (n-1) / ((n-2)(n-3)) ×…"""
    def map_agg(self, x1: Value, x2: Value, /) -> Expr: """A map from keys (the first argument) to values, in the…"""
    def max(self, x1: Value, /) -> Expr: """The largest value; text by its bytes, true after false."""
    def median(self, x1: Value, /) -> Expr: """The middle value as DOUBLE; the mean of the two in the middle…"""
    def min(self, x1: Value, /) -> Expr: """The smallest value; text by its bytes, false before true."""
    def mode(self, x1: Value, /) -> Expr: """The most frequent value, the smallest of those that are equally…"""
    def product(self, x1: Value, /) -> Expr: """The product of all values, as DOUBLE."""
    def quantile_cont(self, x1: Value, x2: Value, /) -> Expr: """The value below which the given part (a literal…"""
    def quantile_disc(self, x1: Value, x2: Value, /) -> Expr: """The smallest value that has at least the given…"""
    def regr_intercept(self, x1: Value, x2: Value, /) -> Expr: """Where the least-squares line of y (first) over…"""
    def regr_r2(self, x1: Value, x2: Value, /) -> Expr: """How much of y (first) the least-squares line over x…"""
    def regr_slope(self, x1: Value, x2: Value, /) -> Expr: """The slope of the least-squares line of y (first)…"""
    def skewness(self, x1: Value, /) -> Expr: """The skewness of a sample, G1 = sqrt(n(n-1)) / (n-2) × m3 /…"""
    def stddev_pop(self, x1: Value, /) -> Expr: """The standard deviation of all, with n; 0 for one value."""
    def stddev_samp(self, x1: Value, /) -> Expr: """The standard deviation of a sample, with n - 1; NULL for one…"""
    stddev = stddev_samp
    def string_agg(self, x1: Value, x2: Value, /) -> Expr: """The texts in one with a literal separator between…"""
    listagg = string_agg
    group_concat = string_agg
    def sum(self, x1: Value, /) -> Expr: """The sum. Whole numbers are added exactly and the result must fit…"""
    def var_pop(self, x1: Value, /) -> Expr: """The variance of all, with n; 0 for one value."""
    variance_pop = var_pop
    def var_samp(self, x1: Value, /) -> Expr: """The variance of a sample, with n - 1; NULL for one value."""
    variance = var_samp
    variance_samp = var_samp
    def decode(self, x1: Value, /) -> Expr: """The text that UTF-8 bytes stand for."""
    def encode(self, x1: Value, /) -> Expr: """The UTF-8 bytes of a text."""
    def from_base64(self, x1: Value, /) -> Expr: """The bytes that base64 stands for; padding is needed, spaces…"""
    unbase64 = from_base64
    def from_hex(self, x1: Value, /) -> Expr: """The bytes that hexadecimal digits of either case stand for; an…"""
    unhex = from_hex
    def md5(self, x1: Value, /) -> Expr: """The MD5 digest as 32 small hexadecimal digits. For bucketing and…"""
    def sha1(self, x1: Value, /) -> Expr: """The SHA-1 digest as 40 small hexadecimal digits. For comparing, not…"""
    def sha256(self, x1: Value, /) -> Expr: """The SHA-256 digest as 64 small hexadecimal digits."""
    def stable_hash(self, x1: Value, /) -> Expr: """A number from 0 to 2^60 - 1 that is the same on every engine…"""
    def to_base64(self, x1: Value, /) -> Expr: """Bytes as base64 with padding and without line breaks."""
    base64 = to_base64
    def to_hex(self, x1: Value, /) -> Expr: """Two capital hexadecimal digits for each byte; of a number, its…"""
    hex = to_hex
    def try_decode(self, x1: Value, /) -> Expr: """As decode, but NULL when the bytes are not UTF-8."""
    def try_from_base64(self, x1: Value, /) -> Expr: """As from_base64, but NULL when the text is not base64."""
    def try_from_hex(self, x1: Value, /) -> Expr: """As from_hex, but NULL when the text is not hexadecimal."""
    def array_join(self, x1: Value, x2: Value, x3: Value = ..., /) -> Expr: """The texts of a list in one, with a…"""
    list_to_string = array_join
    array_to_string = array_join
    def array_length(self, x1: Value, /) -> Expr: """How many elements a list has, NULL ones too."""
    list_length = array_length
    def flatten(self, x1: Value, /) -> Expr: """The elements of the lists in a list, in one; NULL lists in it are…"""
    def generate_series(self, x1: Value, x2: Value, x3: Value = ..., /) -> Expr: """From the first to the last,…"""
    sequence = generate_series
    def list_all(self, x1: Value, x2: Callable[..., Expr] | Value, /) -> Expr: """Whether a lambda is true for…"""
    all_match = list_all
    def list_any(self, x1: Value, x2: Callable[..., Expr] | Value, /) -> Expr: """Whether a lambda is true for an…"""
    any_match = list_any
    def list_append(self, x1: Value, x2: Value, /) -> Expr: """The list with one more element at its end."""
    array_append = list_append
    def list_avg(self, x1: Value, /) -> Expr: """The mean of the elements, as DOUBLE."""
    def list_concat(self, x1: Value, /, *rest: Value) -> Expr: """The elements of all lists in one; NULL lists…"""
    list_cat = list_concat
    array_cat = list_concat
    def list_contains(self, x1: Value, x2: Value, /) -> Expr: """Whether a value is an element of a list; NULL…"""
    array_contains = list_contains
    list_has = list_contains
    def list_count(self, x1: Value, /) -> Expr: """How many elements of a list are not NULL."""
    def list_distinct(self, x1: Value, /) -> Expr: """The different elements in ascending order, without NULL."""
    array_distinct = list_distinct
    def list_except(self, x1: Value, x2: Value, /) -> Expr: """The different elements of the first list that the…"""
    array_except = list_except
    def list_filter(self, x1: Value, x2: Callable[..., Expr] | Value, /) -> Expr: """The elements for which a…"""
    array_filter = list_filter
    def list_has_all(self, x1: Value, x2: Value, /) -> Expr: """Whether the first list has all elements of the…"""
    def list_has_any(self, x1: Value, x2: Value, /) -> Expr: """Whether two lists have an element in common; NULL…"""
    arrays_overlap = list_has_any
    def list_intersect(self, x1: Value, x2: Value, /) -> Expr: """The different elements that both lists have, in…"""
    array_intersect = list_intersect
    def list_max(self, x1: Value, /) -> Expr: """The largest element."""
    array_max = list_max
    def list_min(self, x1: Value, /) -> Expr: """The smallest element."""
    array_min = list_min
    def list_position(self, x1: Value, x2: Value, /) -> Expr: """Where a value stands first in a list, from 1;…"""
    array_position = list_position
    list_indexof = list_position
    def list_prepend(self, x1: Value, x2: Value, /) -> Expr: """The list with one more element before its first."""
    array_prepend = list_prepend
    def list_reduce(self, x1: Value, x2: Callable[..., Expr] | Value, x3: Value = ..., /) -> Expr: """What a…"""
    reduce = list_reduce
    def list_reverse(self, x1: Value, /) -> Expr: """The elements from the last to the first."""
    array_reverse = list_reverse
    def list_slice(self, x1: Value, x2: Value, x3: Value, /) -> Expr: """The elements from one place to another,…"""
    array_slice = list_slice
    def list_sort(self, x1: Value, x2: Value = ..., /) -> Expr: """The elements in ascending order, or with…"""
    array_sort = list_sort
    def list_sum(self, x1: Value, /) -> Expr: """The sum of the elements; DECIMAL gives DECIMAL(38, s)."""
    def list_transform(self, x1: Value, x2: Callable[..., Expr] | Value, /) -> Expr: """The results of a lambda…"""
    array_transform = list_transform
    transform = list_transform
    def list_union(self, x1: Value, x2: Value, /) -> Expr: """The different elements of both lists, in ascending…"""
    array_union = list_union
    def list_value(self, *rest: Value) -> Expr: """A list of the values, also written `[a, b]`."""
    def map(self, x1: Value, x2: Value, /) -> Expr: """A map from a list of keys and a list of values, also…"""
    def map_concat(self, x1: Value, x2: Value, /) -> Expr: """The entries of both maps; of a key in both the…"""
    def map_contains(self, x1: Value, x2: Value, /) -> Expr: """Whether a map has a key, whatever its value."""
    map_contains_key = map_contains
    def map_entries(self, x1: Value, /) -> Expr: """The entries of a map as structs with key and value, in the…"""
    def map_keys(self, x1: Value, /) -> Expr: """The keys of a map in ascending order."""
    def map_size(self, x1: Value, /) -> Expr: """How many entries a map has."""
    cardinality = map_size
    def map_values(self, x1: Value, /) -> Expr: """The values of a map, in the order of its keys."""
    def range(self, x1: Value, x2: Value = ..., x3: Value = ..., /) -> Expr: """Whole numbers from the first, or…"""
    def choose(self, x1: Value, /, *rest: Value) -> Expr: """The argument at a place, counted from 1 after the…"""
    elt = choose
    def coalesce(self, *rest: Value) -> Expr: """The first argument that is not NULL; NULL when all are. Later…"""
    ifnull = coalesce
    nvl = coalesce
    def greatest(self, *rest: Value) -> Expr: """The largest argument that is not NULL; NULL when all are. Text…"""
    def if_(self, x1: Value, x2: Value, x3: Value, /) -> Expr: """The second argument when the condition is true,…"""
    iff = if_
    iif = if_
    def least(self, *rest: Value) -> Expr: """The smallest argument that is not NULL; NULL when all are. Text…"""
    def nullif(self, x1: Value, x2: Value, /) -> Expr: """NULL when both arguments are equal, else the first."""
    def nvl2(self, x1: Value, x2: Value, x3: Value, /) -> Expr: """The second argument when the first is not…"""
    def json_array_length(self, x1: Value, x2: Value = ..., /) -> Expr: """How many elements the array at a path…"""
    def json_bigint(self, x1: Value, x2: Value, /) -> Expr: """The whole number at a path, or the one that a text…"""
    def json_boolean(self, x1: Value, x2: Value, /) -> Expr: """The boolean at a path, or a text true or false…"""
    def json_double(self, x1: Value, x2: Value, /) -> Expr: """The number at a path as DOUBLE, or the one that a…"""
    def json_exists(self, x1: Value, x2: Value, /) -> Expr: """Whether a path leads to something, a JSON null…"""
    def json_keys(self, x1: Value, x2: Value = ..., /) -> Expr: """The keys of the object at a path (of the whole…"""
    json_object_keys = json_keys
    def json_list(self, x1: Value, x2: Value = ..., /) -> Expr: """The elements of the array at a path (of the…"""
    def json_query(self, x1: Value, x2: Value, /) -> Expr: """What stands at a path, as JSON text without spaces…"""
    json_extract = json_query
    def json_text(self, x1: Value, x2: Value, /) -> Expr: """The text, whole number or boolean at a path, as…"""
    json_value = json_text
    json_extract_string = json_text
    def json_type(self, x1: Value, x2: Value = ..., /) -> Expr: """What stands at a path (the whole text if none…"""
    def json_valid(self, x1: Value, /) -> Expr: """Whether a text is JSON as RFC 8259 has it: no trailing comma,…"""
    def to_json(self, x1: Value, /) -> Expr: """A value as JSON text: strings quoted and escaped, NULL inside of…"""
    def abs(self, x1: Value, /) -> Expr: """The number without its sign."""
    def acos(self, x1: Value, /) -> Expr: """The angle in radians, 0 to π, that has this cosine; NULL outside of…"""
    def acosh(self, x1: Value, /) -> Expr: """The inverse of cosh; NULL below 1."""
    def asin(self, x1: Value, /) -> Expr: """The angle in radians, -π/2 to π/2, that has this sine; NULL outside…"""
    def asinh(self, x1: Value, /) -> Expr: """The inverse of sinh."""
    def atan(self, x1: Value, /) -> Expr: """The angle in radians, -π/2 to π/2, that has this tangent."""
    def atan2(self, x1: Value, x2: Value, /) -> Expr: """The angle in radians, -π to π, of the point with y first…"""
    def atanh(self, x1: Value, /) -> Expr: """The inverse of tanh; NULL at -1 and 1 and outside of them."""
    def bit_count(self, x1: Value, /) -> Expr: """How many of the 64 bits are set, as two's complement."""
    def bitwise_and(self, x1: Value, x2: Value, /) -> Expr: """The bits that both numbers have, as two's…"""
    def bitwise_not(self, x1: Value, /) -> Expr: """Every bit turned: -x - 1."""
    def bitwise_or(self, x1: Value, x2: Value, /) -> Expr: """The bits that either number has, as two's…"""
    def bitwise_xor(self, x1: Value, x2: Value, /) -> Expr: """The bits that just one of the numbers has, as…"""
    xor = bitwise_xor
    def cbrt(self, x1: Value, /) -> Expr: """The cube root, also of negative numbers."""
    def ceil(self, x1: Value, /) -> Expr: """The smallest whole number that is not below. A DECIMAL keeps its…"""
    ceiling = ceil
    def cos(self, x1: Value, /) -> Expr: """The cosine of an angle in radians."""
    def cosh(self, x1: Value, /) -> Expr: """The hyperbolic cosine."""
    def cot(self, x1: Value, /) -> Expr: """The cotangent of an angle in radians; NULL at zero."""
    def degrees(self, x1: Value, /) -> Expr: """An angle in radians as degrees."""
    def exp(self, x1: Value, /) -> Expr: """The number e to a power; infinite from about 709.8 on."""
    def factorial(self, x1: Value, /) -> Expr: """1 × 2 × … × n; 1 for n = 0."""
    def floor(self, x1: Value, /) -> Expr: """The largest whole number that is not above. A DECIMAL keeps its…"""
    def floor_div(self, x1: Value, x2: Value, /) -> Expr: """Divides whole numbers and rounds down, so -7 by 2 is…"""
    def floor_mod(self, x1: Value, x2: Value, /) -> Expr: """The remainder that belongs to floor_div: it has the…"""
    def format_decimal(self, x1: Value, x2: Value, /) -> Expr: """The number as text with a fixed number of…"""
    def format_number(self, x1: Value, x2: Value = ..., /) -> Expr: """The number as text with commas between…"""
    def gcd(self, x1: Value, x2: Value, /) -> Expr: """The greatest common divisor, never negative; of 0 and x it…"""
    def is_finite(self, x1: Value, /) -> Expr: """Whether a DOUBLE is neither infinite nor NaN."""
    isfinite = is_finite
    def is_infinite(self, x1: Value, /) -> Expr: """Whether a DOUBLE is infinite, positive or negative."""
    isinf = is_infinite
    def is_nan(self, x1: Value, /) -> Expr: """Whether a DOUBLE is not a number."""
    isnan = is_nan
    def lcm(self, x1: Value, x2: Value, /) -> Expr: """The least common multiple, never negative; 0 when either…"""
    def ln(self, x1: Value, /) -> Expr: """The natural logarithm; NULL for zero and below."""
    def log10(self, x1: Value, /) -> Expr: """The logarithm to base 10; NULL for zero and below."""
    def log2(self, x1: Value, /) -> Expr: """The logarithm to base 2; NULL for zero and below."""
    def power(self, x1: Value, x2: Value, /) -> Expr: """The first number to the power of the second. NULL for…"""
    pow = power
    def radians(self, x1: Value, /) -> Expr: """An angle in degrees as radians."""
    def round(self, x1: Value, x2: Value = ..., /) -> Expr: """Rounds half away from zero, to a number of digits…"""
    def shift_left(self, x1: Value, x2: Value, /) -> Expr: """The number times 2 to the power of a count."""
    def shift_right(self, x1: Value, x2: Value, /) -> Expr: """The number divided by 2 to the power of a count…"""
    def sign(self, x1: Value, /) -> Expr: """-1, 0 or 1: whether the number is below, at or above zero."""
    signum = sign
    def sin(self, x1: Value, /) -> Expr: """The sine of an angle in radians."""
    def sinh(self, x1: Value, /) -> Expr: """The hyperbolic sine."""
    def sqrt(self, x1: Value, /) -> Expr: """The square root; NULL below zero."""
    def tan(self, x1: Value, /) -> Expr: """The tangent of an angle in radians."""
    def tanh(self, x1: Value, /) -> Expr: """The hyperbolic tangent, -1 to 1."""
    def trunc(self, x1: Value, x2: Value = ..., /) -> Expr: """Drops digits, towards zero: those after the point,…"""
    truncate = trunc
    def width_bucket(self, x1: Value, x2: Value, x3: Value, x4: Value, /) -> Expr: """Which of n equal parts of…"""
    def mod(self, x1: Value, x2: Value, /) -> Expr: ...
    def ascii(self, x1: Value, /) -> Expr: """The code point of the first character; 0 for empty text."""
    unicode = ascii
    def bit_length(self, x1: Value, /) -> Expr: """The number of bits of the text in UTF-8: 8 for each byte."""
    def chr(self, x1: Value, /) -> Expr: """The character with a code point."""
    def concat(self, *rest: Value) -> Expr: """Joins texts end to end and leaves NULL ones out, so it is never…"""
    def concat_ws(self, x1: Value, /, *rest: Value) -> Expr: """Joins texts with a separator between them and…"""
    def contains(self, x1: Value, x2: Value, /) -> Expr: """Whether the text has another somewhere in it, letter…"""
    def ends_with(self, x1: Value, x2: Value, /) -> Expr: """Whether the text ends with another, letter case…"""
    endswith = ends_with
    def initcap(self, x1: Value, /) -> Expr: """Each word with a capital first letter and small letters after it.…"""
    def left(self, x1: Value, x2: Value, /) -> Expr: """The first n characters; with a negative n, all but the…"""
    def length(self, x1: Value, /) -> Expr: """The number of code points: an emoji is 1, a letter with a separate…"""
    len = length
    char_length = length
    character_length = length
    def lower(self, x1: Value, /) -> Expr: """The text in small letters. A few letters, such as İ, may differ by…"""
    lcase = lower
    def lpad(self, x1: Value, x2: Value, x3: Value = ..., /) -> Expr: """The text brought to a length in…"""
    def ltrim(self, x1: Value, x2: Value = ..., /) -> Expr: """Takes spaces (U+0020 only, not tabs or line ends)…"""
    def octet_length(self, x1: Value, /) -> Expr: """The number of bytes; of a text, in UTF-8."""
    def parse_url(self, x1: Value, x2: Value, /) -> Expr: """One part of an address: 'protocol', 'host', 'port',…"""
    def position(self, x1: Value, x2: Value, /) -> Expr: """Where the first text starts in the second, from 1; 0…"""
    def regexp_count(self, x1: Value, x2: Value, /) -> Expr: """How often a pattern is found, without overlap."""
    def regexp_extract(self, x1: Value, x2: Value, x3: Value = ..., /) -> Expr: """The first match of a pattern,…"""
    def regexp_extract_all(self, x1: Value, x2: Value, x3: Value = ..., /) -> Expr: """All matches of a pattern,…"""
    def regexp_full_match(self, x1: Value, x2: Value, /) -> Expr: """Whether a pattern covers the whole text. The…"""
    def regexp_matches(self, x1: Value, x2: Value, /) -> Expr: """Whether a pattern is found anywhere in the text."""
    regexp_like = regexp_matches
    def regexp_replace(self, x1: Value, x2: Value, x3: Value, /) -> Expr: """Every match of a pattern replaced.…"""
    def regexp_split(self, x1: Value, x2: Value, /) -> Expr: """The list of parts between matches of a pattern;…"""
    regexp_split_to_array = regexp_split
    string_split_regex = regexp_split
    def repeat(self, x1: Value, x2: Value, /) -> Expr: """The text n times; empty for n below 1."""
    def replace(self, x1: Value, x2: Value, x3: Value, /) -> Expr: """Every occurrence of one text replaced by…"""
    def reverse(self, x1: Value, /) -> Expr: """The characters in the opposite order, by code points: a separate…"""
    def right(self, x1: Value, x2: Value, /) -> Expr: """The last n characters; with a negative n, all but the…"""
    def rpad(self, x1: Value, x2: Value, x3: Value = ..., /) -> Expr: """The text brought to a length in…"""
    def rtrim(self, x1: Value, x2: Value = ..., /) -> Expr: """Takes spaces (U+0020 only, not tabs or line ends)…"""
    def split(self, x1: Value, x2: Value, /) -> Expr: """The list of parts between a separator taken literally;…"""
    string_split = split
    str_split = split
    def split_part(self, x1: Value, x2: Value, x3: Value, /) -> Expr: """One part of `split`, counted from 1, or…"""
    def starts_with(self, x1: Value, x2: Value, /) -> Expr: """Whether the text starts with another, letter case…"""
    startswith = starts_with
    def strpos(self, x1: Value, x2: Value, /) -> Expr: """Where the second text starts in the first, from 1; 0…"""
    instr = strpos
    def substring(self, x1: Value, x2: Value, x3: Value = ..., /) -> Expr: """The part from a start, counted from…"""
    substr = substring
    def translate(self, x1: Value, x2: Value, x3: Value, /) -> Expr: """Each character found in the second text…"""
    def trim(self, x1: Value, x2: Value = ..., /) -> Expr: """Takes spaces (U+0020 only, not tabs or line ends)…"""
    def upper(self, x1: Value, /) -> Expr: """The text in capital letters. Letters with no single-letter capital,…"""
    ucase = upper
    def url_decode(self, x1: Value, /) -> Expr: """Reads %XX back as UTF-8 bytes. A plus sign stays; a % that no…"""
    def url_encode(self, x1: Value, /) -> Expr: """Writes all but letters, digits and `-._~` as %XX of their…"""
    def url_parameter(self, x1: Value, x2: Value, /) -> Expr: """The value of a parameter in the query part of an…"""
    def at_zone(self, x1: Value, x2: Value, /) -> Expr: """What a clock in a time zone shows at an instant, as…"""
    def current_date(self, x1: Value = ..., /) -> Expr: """The date of the run's start, in UTC or in a time zone.…"""
    today = current_date
    def date_add(self, x1: Value, x2: Value, x3: Value, /) -> Expr: """Moves a date or an instant by a number of…"""
    def date_diff(self, x1: Value, x2: Value, x3: Value, /) -> Expr: """How many starts of a year, quarter,…"""
    datediff = date_diff
    def date_trunc(self, x1: Value, x2: Value, x3: Value = ..., /) -> Expr: """The start of the year, quarter,…"""
    def day(self, x1: Value, /) -> Expr: """The day of the month, 1 to 31."""
    dayofmonth = day
    def day_name(self, x1: Value, /) -> Expr: """The English name of the weekday."""
    dayname = day_name
    def dayofyear(self, x1: Value, /) -> Expr: """The day of the year, 1 to 366."""
    def days_in_month(self, x1: Value, /) -> Expr: """How many days the month has, 28 to 31."""
    def epoch_ms(self, x1: Value, /) -> Expr: """Whole milliseconds since 1970-01-01 00:00 UTC, rounded down."""
    def epoch_seconds(self, x1: Value, /) -> Expr: """Whole seconds since 1970-01-01 00:00 UTC, rounded down."""
    def epoch_us(self, x1: Value, /) -> Expr: """Microseconds since 1970-01-01 00:00 UTC."""
    def extract(self, x1: Value, x2: Value, /) -> Expr: """A field of a date or instant, also written…"""
    date_part = extract
    def format_timestamp(self, x1: Value, x2: Value, x3: Value = ..., /) -> Expr: """A date or an instant as…"""
    strftime = format_timestamp
    def from_epoch_ms(self, x1: Value, /) -> Expr: """The instant that many milliseconds since 1970-01-01 00:00…"""
    def from_epoch_seconds(self, x1: Value, /) -> Expr: """The instant that many seconds since 1970-01-01 00:00…"""
    def from_epoch_us(self, x1: Value, /) -> Expr: """The instant that many microseconds since 1970-01-01 00:00…"""
    def from_local(self, x1: Value, x2: Value, x3: Value = ..., x4: Value = ..., x5: Value = ..., /) -> Expr: """T…"""
    def hour(self, x1: Value, /) -> Expr: """The hour of an instant in UTC, 0 to 23; `local_part` gives that of a…"""
    def isodow(self, x1: Value, /) -> Expr: """The day of the week, 1 is Monday and 7 Sunday."""
    def isoyear(self, x1: Value, /) -> Expr: """The year that the ISO week belongs to; differs from the…"""
    def last_day(self, x1: Value, /) -> Expr: """The last date of the month."""
    def local_date(self, x1: Value, x2: Value, /) -> Expr: """The date that a calendar in a time zone shows at an…"""
    def local_part(self, x1: Value, x2: Value, x3: Value, /) -> Expr: """A field of what a clock in a time zone…"""
    def make_date(self, x1: Value, x2: Value, x3: Value, /) -> Expr: """The date of a year, a month and a day."""
    def make_timestamp(self, x1: Value, x2: Value, x3: Value, x4: Value, x5: Value, x6: Value, /) -> Expr: """The…"""
    def minute(self, x1: Value, /) -> Expr: """The minute of an instant, 0 to 59."""
    def month(self, x1: Value, /) -> Expr: """The month, 1 to 12."""
    def month_name(self, x1: Value, /) -> Expr: """The English name of the month."""
    monthname = month_name
    def now(self) -> Expr: """The start of the run, journaled: one instant however often and wherever it is asked…"""
    current_timestamp = now
    def parse_date(self, x1: Value, x2: Value, /) -> Expr: """Reads a text as a date, by a literal pattern of %Y…"""
    def parse_timestamp(self, x1: Value, x2: Value, /) -> Expr: """Reads a text as an instant, by a literal…"""
    strptime = parse_timestamp
    def quarter(self, x1: Value, /) -> Expr: """The quarter of the year, 1 to 4."""
    def second(self, x1: Value, /) -> Expr: """The whole second of an instant, 0 to 59; a fraction is left out."""
    def time_bucket(self, x1: Value, x2: Value, x3: Value = ..., /) -> Expr: """The start of the bucket of the…"""
    def try_parse_date(self, x1: Value, x2: Value, /) -> Expr: """`parse_date`, with NULL for a text that does…"""
    def try_parse_timestamp(self, x1: Value, x2: Value, /) -> Expr: """`parse_timestamp`, with NULL for a text…"""
    try_strptime = try_parse_timestamp
    def week(self, x1: Value, /) -> Expr: """The ISO week, 1 to 53: weeks start on Monday, week 1 has the year's…"""
    weekofyear = week
    def year(self, x1: Value, /) -> Expr: """The calendar year."""
    def zone_offset(self, x1: Value, x2: Value, /) -> Expr: """How far a clock in a time zone is ahead of UTC at…"""
    def cume_dist(self) -> Expr: """The part of the rows that come before or tie with the row, over 0 up to 1."""
    def dense_rank(self) -> Expr: """The rank without gaps: how many different keys come before, plus one."""
    def first_value(self, x1: Value, /) -> Expr: """The value of the first row of the frame."""
    def lag(self, x1: Value, x2: Value = ..., x3: Value = ..., /) -> Expr: """The value of the row before, or of…"""
    def last_value(self, x1: Value, /) -> Expr: """The value of the last row of the frame, which ends at the…"""
    def lead(self, x1: Value, x2: Value = ..., x3: Value = ..., /) -> Expr: """The value of the row after, or of…"""
    def nth_value(self, x1: Value, x2: Value, /) -> Expr: """The value of the frame's row with a given number (a…"""
    def ntile(self, x1: Value, /) -> Expr: """Which of so many groups of nearly one size the row falls into, from…"""
    def percent_rank(self) -> Expr: """(rank - 1) / (rows - 1), from 0 to 1; 0 for a single row."""
    def rank(self) -> Expr: """One more than the rows that come before; rows that tie have one rank, and leave a…"""
    def row_number(self) -> Expr: """The number of the row in its partition, from 1."""

f: Functions

def count(value: Value = ..., /) -> Expr: """Count rows, or the values that are not NULL."""
def count_distinct(value: Value, /) -> Expr: """Count distinct values."""
def sum(value: Value, /) -> Expr: """Add up."""
def avg(value: Value, /) -> Expr: """Give the mean."""
def min(value: Value, /) -> Expr: """Give the least value."""
def max(value: Value, /) -> Expr: """Give the greatest value."""
