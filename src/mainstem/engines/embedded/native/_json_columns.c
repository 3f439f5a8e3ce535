/* Turns JSON messages into Arrow columns where there is no doubt about a message; all others are for the slower ways.
 * Built by `mainstem doctor --build`. What it takes is less than RFC 8259 and contract V8 allow, never more: one flat
 * object, values written as the column's kind is. A build is used only after it has
 * agreed with the reference on what `selftest` makes up. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MOST_KEYS 64 /* of an object; they are compared with one another */
#define DIGITS 18    /* of a number that fits 64 bits */
#define LONG 64      /* letters of a number that strtod is asked about */
#define ENDLESS 1000 /* letters of any number */
#define DEEP 32      /* levels of an unknown field; the reference follows more */
enum { WHOLE, DOUBLE, DECIMAL, TRUTH, TEXT, INSTANT, DAY };
enum { MISSING, NOTHING, VALUE };
typedef const uint8_t *letters;

/* A declared column; whole numbers and decimals, which are scaled, lie within `low` and `high`. */
typedef struct { const char *name; int64_t low, high; int32_t size, kind, is_nullable, scale; } column;
/* Its Arrow buffers. */
typedef struct { uint8_t *data, *valid; int32_t *ends; int64_t bytes, room, nulls; } values;
typedef struct { int64_t rows, doubts, unknown; uint8_t *fits; int32_t *strange; values *columns; int32_t n_columns; } batch;
typedef struct { char *name; int32_t size, column; } key;
/* What is known of a source: the keys of the last message, in their order. */
typedef struct { column *columns; int32_t n_columns, n_keys; key keys[MOST_KEYS]; } form;
/* A value that was read: a number, or where a text stands. */
typedef struct { int32_t state, has_escapes; int64_t whole; double real; letters text; int64_t size; } cell;
typedef struct { int is_negative, digits, point, exponent, has_exponent; uint64_t whole; letters from, to; } number;

size_t jc_size(int of) { return of ? of == 1 ? sizeof(values) : sizeof(batch) : sizeof(column); }
static letters spaces(letters p, letters end) {
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
    return p;
}

/* --- texts -------------------------------------------------------------------------------------------------------- */
/* Gives the end of one letter of UTF-8 that is not ASCII (Unicode 3.9, table 3-7), NULL where it is none. */
static letters wide(letters p, letters end) {
    uint8_t low = 0x80, high = 0xBF, first = *p++;
    int more = first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
    if (first < 0xC2 || first > 0xF4 || end - p < more) return NULL;
    if (first == 0xE0) low = 0xA0; else if (first == 0xED) high = 0x9F;
    else if (first == 0xF0) low = 0x90; else if (first == 0xF4) high = 0x8F;
    if (*p < low || *p > high) return NULL;
    for (int i = 1; i < more; i++) if ((p[i] & 0xC0) != 0x80) return NULL;
    return p + more;
}
static int hex(letters p, letters end) {
    int code = 0;
    if (end - p < 4) return -1;
    for (int i = 0; i < 4; i++) {
        int c = p[i], digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
        if (digit < 0) return -1;
        code = code * 16 + digit;
    }
    return code;
}
/* Gives the end of an escape that begins behind its backslash, NULL for none, a zero and half a pair. */
static letters escape(letters p, letters end) {
    if (p == end) return NULL;
    if (*p != 'u') return strchr("\"\\/bfnrt", *p) && *p ? p + 1 : NULL;
    int code = hex(p + 1, end);
    if (code <= 0 || (code >= 0xDC00 && code <= 0xDFFF)) return NULL;
    if (code < 0xD800 || code > 0xDBFF) return p + 5;
    if (end - p < 11 || p[5] != '\\' || p[6] != 'u') return NULL;
    code = hex(p + 7, end);
    return code >= 0xDC00 && code <= 0xDFFF ? p + 11 : NULL;
}
/* Passes by plain ASCII, eight letters at a time: stops before a quote, a backslash, a control or a wider letter
 * (zeros of a word as in Warren, Hacker's Delight 6-1; it may stop too early, never too late). */
static letters plain(letters p, letters end) {
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    for (uint64_t w; end - p >= 8; p += 8) {
        memcpy(&w, p, 8);
        uint64_t quote = w ^ ones * '"', slash = w ^ ones * '\\';
        if ((w | ((w - ones * 0x20) & ~w) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash)) & tops) break;
    }
    return p;
}
/* Gives where a string ends whose first letter, behind the quote, is `p`: at the closing quote. */
static letters string(letters p, letters end, int32_t *has_escapes) {
    *has_escapes = 0;
    while (p && (p = plain(p, end)) < end) {
        uint8_t c = *p;
        if (c == '"') return p;
        if (c < 0x20) return NULL;
        if (c == '\\') { *has_escapes = 1; p = escape(p + 1, end); }
        else if (c >= 0x80) p = wide(p, end);
        else for (p++; p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\';) p++;
    }
    return NULL;
}
static uint8_t *put(uint8_t *to, int32_t code) {
    if (code < 0x80) { *to++ = (uint8_t)code; return to; }
    if (code < 0x800) *to++ = (uint8_t)(0xC0 | code >> 6);
    else {
        if (code < 0x10000) *to++ = (uint8_t)(0xE0 | code >> 12);
        else { *to++ = (uint8_t)(0xF0 | code >> 18); *to++ = (uint8_t)(0x80 | (code >> 12 & 63)); }
        *to++ = (uint8_t)(0x80 | (code >> 6 & 63));
    }
    *to++ = (uint8_t)(0x80 | (code & 63));
    return to;
}
/* Writes a text without its escapes, which are known to be right; never longer than it is with them. */
static int64_t unescaped(uint8_t *to, letters p, int64_t size) {
    static const char from[] = "bfnrt", into[] = "\b\f\n\r\t";
    uint8_t *start = to;
    for (letters end = p + size; p < end;) {
        if (*p != '\\') { *to++ = *p++; continue; }
        if (p[1] != 'u') { const char *at = strchr(from, p[1]); *to++ = at ? (uint8_t)into[at - from] : p[1]; p += 2; continue; }
        int32_t code = hex(p + 2, end);
        p += 6;
        if (code >= 0xD800 && code <= 0xDBFF) { code = 0x10000 + ((code - 0xD800) << 10) + (hex(p + 2, end) - 0xDC00); p += 6; }
        to = put(to, code);
    }
    return to - start;
}

/* --- numbers and times -------------------------------------------------------------------------------------------- */
/* Reads a number as RFC 8259 writes it, and gives its end; NULL for none. */
static letters read_number(letters p, letters end, number *n) {
    memset(n, 0, sizeof *n);
    n->from = p;
    if (p < end && *p == '-') { n->is_negative = 1; p++; }
    if (p == end || *p < '0' || *p > '9' || (*p == '0' && p + 1 < end && p[1] >= '0' && p[1] <= '9')) return NULL;
    for (; p < end && *p >= '0' && *p <= '9'; p++) { n->whole = n->whole * 10 + (*p - '0'); n->digits += n->digits || *p != '0'; }
    if (p < end && *p == '.') {
        letters dot = p++;
        for (; p < end && *p >= '0' && *p <= '9'; p++) { n->whole = n->whole * 10 + (*p - '0'); n->digits += n->digits || *p != '0'; }
        n->point = (int)(p - dot - 1);
        if (!n->point) return NULL;
    }
    if (p < end && (*p | 32) == 'e') {
        int sign = 1, found = 0;
        n->has_exponent = 1;
        if (++p < end && (*p == '+' || *p == '-')) sign = *p++ == '-' ? -1 : 1;
        for (; p < end && *p >= '0' && *p <= '9'; p++, found++) if (found < 5) n->exponent = n->exponent * 10 + (*p - '0');
        if (!found || found > 4) return NULL;
        n->exponent *= sign;
    }
    return n->to = p, p - n->from < ENDLESS ? p : NULL;
}
static int as_whole(const number *n, const column *c, cell *into) {
    int missing = c->scale - n->point;
    if (n->has_exponent || n->digits > DIGITS || missing < 0 || (n->is_negative && !n->whole)) return 0;
    int64_t found = (int64_t)n->whole;
    for (; missing > 0; missing--) { if (found > INT64_MAX / 10) return 0; found *= 10; }
    if (n->is_negative) found = -found;
    into->whole = found;
    return found >= c->low && found <= c->high;
}
/* Exact by one operation on exact numbers (Clinger 1990), else by the C library. */
static int as_real(const number *n, cell *into) {
    static const double tens[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    int power = n->exponent - n->point;
    double found;
    if (n->digits <= DIGITS && n->whole <= 1ull << 53 && power >= -22 && power <= 22) {
        found = power < 0 ? (double)n->whole / tens[-power] : (double)n->whole * tens[power];
        if (n->is_negative) found = -found;
    } else {
        char text[LONG], *stopped;
        size_t size = (size_t)(n->to - n->from);
        if (size >= LONG) return 0;
        memcpy(text, n->from, size);
        text[size] = 0;
        found = strtod(text, &stopped);
        if (stopped != text + size) return 0; /* a locale with a decimal comma */
    }
    into->real = found;
    return isfinite(found) && found != 0.0 ? 1 : !n->digits && !n->is_negative && found == 0.0;
}
static int two(letters p, int low, int high) {
    int found = (p[0] - '0') * 10 + (p[1] - '0');
    return p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9' || found < low || found > high ? -1 : found;
}
/* YYYY-MM-DD as days since 1970 (proleptic Gregorian calendar; Hinnant, chrono-compatible date algorithms). */
static int as_day(letters p, int64_t *days) {
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int century = two(p, 0, 99), rest = two(p + 2, 0, 99), month = two(p + 5, 1, 12), day = two(p + 8, 1, 31);
    if (century < 0 || rest < 0 || month < 0 || day < 0 || p[4] != '-' || p[7] != '-') return 0;
    int year = century * 100 + rest, is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (!year || day > lengths[month - 1] + (month == 2 && is_leap)) return 0;
    int y = year - (month <= 2), era = y / 400, of_era = y - era * 400;
    int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    *days = (int64_t)era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
    return 1;
}
/* YYYY-MM-DD, T or a space, HH:MM:SS, up to six digits of a second, and Z or nothing: microseconds since 1970. */
static int as_instant(letters p, int64_t size, int64_t *micros) {
    int64_t days;
    if (size < 19 || !as_day(p, &days) || (p[10] != 'T' && p[10] != ' ') || p[13] != ':' || p[16] != ':') return 0;
    int hour = two(p + 11, 0, 23), minute = two(p + 14, 0, 59), second = two(p + 17, 0, 59), unit = 1000000, part = 0;
    if (hour < 0 || minute < 0 || second < 0) return 0;
    letters end = p + size;
    if (end[-1] == 'Z') end--;
    p += 19;
    if (p < end) {
        if (*p++ != '.' || p == end || end - p > 6) return 0;
        for (; p < end; p++) { if (*p < '0' || *p > '9') return 0; unit /= 10; part += (*p - '0') * unit; }
    }
    *micros = ((days * 24 + hour) * 60 + minute) * 60000000 + (int64_t)second * 1000000 + part;
    return 1;
}

/* --- messages ----------------------------------------------------------------------------------------------------- */
static int is_word(letters p, letters end, const char *word, size_t size) { return (size_t)(end - p) >= size && !memcmp(p, word, size); }

/* Reads one value into the cell of its column (NULL for none), and gives its end; NULL when in doubt. */
static letters value(letters p, letters end, const column *c, cell *into) {
    number n;
    if (p == end) return NULL;
    if (*p == '"') {
        cell here;
        if (!into) into = &here;
        into->text = p + 1;
        letters stop = string(p + 1, end, &into->has_escapes);
        if (!stop) return NULL;
        into->size = stop - into->text;
        into->state = VALUE;
        if (!c || c->kind == TEXT) return stop + 1;
        if (c->kind == INSTANT) return as_instant(into->text, into->size, &into->whole) ? stop + 1 : NULL;
        return c->kind == DAY && into->size == 10 && as_day(into->text, &into->whole) ? stop + 1 : NULL;
    }
    if (is_word(p, end, "null", 4)) {
        if (c && !c->is_nullable) return NULL;
        if (into) into->state = NOTHING;
        return p + 4;
    }
    int is_true = is_word(p, end, "true", 4);
    if (is_true || is_word(p, end, "false", 5)) {
        if (c && c->kind != TRUTH) return NULL;
        if (into) { into->state = VALUE; into->whole = is_true; }
        return p + (is_true ? 4 : 5);
    }
    if (!(p = read_number(p, end, &n)) || !c) return p;
    into->state = VALUE;
    if (c->kind == DOUBLE) return as_real(&n, into) ? p : NULL;
    return (c->kind == WHOLE || c->kind == DECIMAL) && as_whole(&n, c, into) ? p : NULL;
}
/* Gives the end of a field that no column has the name of, whatever it is. */
static letters anything(letters p, letters end, int depth) {
    if (p == end || depth == DEEP) return NULL;
    if (*p != '{' && *p != '[') return value(p, end, NULL, NULL);
    uint8_t closing = *p == '{' ? '}' : ']';
    p = spaces(p + 1, end);
    if (p < end && *p == closing) return p + 1;
    for (;; p = spaces(p, end)) {
        if (closing == '}') {
            int32_t has_escapes;
            if (p == end || *p != '"' || !(p = string(p + 1, end, &has_escapes))) return NULL;
            p = spaces(p + 1, end);
            if (p == end || *p++ != ':') return NULL;
            p = spaces(p, end);
        }
        if (!(p = anything(p, end, depth + 1))) return NULL;
        p = spaces(p, end);
        if (p == end) return NULL;
        if (*p == closing) return p + 1;
        if (*p++ != ',') return NULL;
    }
}
static int column_of(const form *f, letters name, int64_t size) {
    for (int i = 0; i < f->n_columns; i++)
        if (f->columns[i].size == size && !memcmp(f->columns[i].name, name, (size_t)size)) return i;
    return -1;
}
static int learn(form *f, int at, letters name, int64_t size) {
    key *k = &f->keys[at];
    char *copy = realloc(k->name, (size_t)size + 1);
    if (!copy) return 0;
    memcpy(copy, name, (size_t)size);
    k->name = copy; k->size = (int32_t)size; k->column = column_of(f, name, size);
    return 1;
}
/* Whether a key is new in its object, whose earlier keys are those of the form. */
static int is_new(const form *f, int at, letters name, int64_t size) {
    for (int i = 0; i < at; i++) if (f->keys[i].size == size && !memcmp(f->keys[i].name, name, (size_t)size)) return 0;
    return 1;
}

/* Reads a message into the cells; 0 when in doubt. The keys of messages of one source mostly are the same ones in the
 * same order: then they were compared with one another before. */
static int message(form *f, letters p, letters end, cell *cells, int32_t *unknown) {
    int at = 0, found = 0, strange = 0, is_usual = 1;
    for (int i = 0; i < f->n_columns; i++) cells[i].state = MISSING;
    p = spaces(p, end);
    if (p == end || *p++ != '{') return 0;
    p = spaces(p, end);
    if (p < end && *p == '}') return 0;
    for (;; at++) {
        if (p == end || *p++ != '"' || at == MOST_KEYS) return 0;
        const key *k = &f->keys[at];
        if (is_usual && at < f->n_keys && end - p > k->size && p[k->size] == '"' && !memcmp(p, k->name, (size_t)k->size)) p += k->size + 1;
        else {
            letters name = p;
            for (; p < end && *p != '"'; p++) if (*p < 0x20 || *p >= 0x80 || *p == '\\') return f->n_keys = 0;
            /* What was usual for the rest of the form is so no more. */
            is_usual = 0;
            f->n_keys = at;
            if (p == end || !is_new(f, at, name, p - name) || !learn(f, at, name, p - name)) return 0;
            f->n_keys = at + 1;
            p++;
            k = &f->keys[at];
        }
        p = spaces(p, end);
        if (p == end || *p++ != ':') return 0;
        p = spaces(p, end);
        int to = k->column;
        p = to < 0 ? anything(p, end, 0) : value(p, end, &f->columns[to], &cells[to]);
        if (!p) return 0;
        if (to < 0) strange++; else found++;
        p = spaces(p, end);
        if (p == end) return 0;
        if (*p == '}') break;
        if (*p++ != ',') return 0;
        p = spaces(p, end);
    }
    if (spaces(p + 1, end) != end) return 0;
    for (int i = 0; found < f->n_columns && i < f->n_columns; i++) if (cells[i].state == MISSING && !f->columns[i].is_nullable) return 0;
    *unknown = strange;
    return 1;
}

/* --- columns ------------------------------------------------------------------------------------------------------ */
static int add(values *v, const column *c, const cell *from, int64_t row) {
    int64_t end = v->bytes;
    if (from && from->state == VALUE) {
        v->valid[row >> 3] |= (uint8_t)(1 << (row & 7));
        switch (c->kind) {
        case TEXT:
            if ((end += from->size) > INT32_MAX) return 0;
            if (end > v->room) {
                uint8_t *more = realloc(v->data, (size_t)(v->room = end * 2));
                if (!more) return 0;
                v->data = more;
            }
            if (from->has_escapes) end = v->bytes + unescaped(v->data + v->bytes, from->text, from->size);
            else memcpy(v->data + v->bytes, from->text, (size_t)from->size);
            break;
        case TRUTH: if (from->whole) v->data[row >> 3] |= (uint8_t)(1 << (row & 7)); break;
        case DOUBLE: ((double *)v->data)[row] = from->real; break;
        case DAY: ((int32_t *)v->data)[row] = (int32_t)from->whole; break;
        case DECIMAL: ((int64_t *)v->data)[2 * row] = from->whole; ((int64_t *)v->data)[2 * row + 1] = from->whole >> 63; break;
        default: ((int64_t *)v->data)[row] = from->whole;
        }
    } else v->nulls++;
    v->bytes = end;
    if (v->ends) v->ends[row + 1] = (int32_t)end;
    return 1;
}
void jc_batch_free(batch *b) {
    if (!b) return;
    for (int i = 0; b->columns && i < b->n_columns; i++) { free(b->columns[i].data); free(b->columns[i].valid); free(b->columns[i].ends); }
    free(b->columns); free(b->fits); free(b->strange); free(b);
}
static batch *batch_new(const form *f, int64_t rows) {
    batch *b = calloc(1, sizeof *b);
    int is_whole = b && (b->columns = calloc((size_t)f->n_columns, sizeof(values))) && (b->fits = calloc((size_t)rows + 1, 1))
        && (b->strange = calloc((size_t)rows + 1, 4));
    if (is_whole) { b->rows = rows; b->n_columns = f->n_columns; }
    for (int i = 0; is_whole && i < f->n_columns; i++) {
        values *v = &b->columns[i];
        static const int widths[] = {8, 8, 16, 1, 16, 8, 4}; /* of texts it is a guess */
        int is_text = f->columns[i].kind == TEXT;
        v->room = rows * widths[f->columns[i].kind] + 64;
        is_whole = (v->valid = calloc((size_t)rows / 8 + 1, 1)) && (v->data = calloc((size_t)v->room, 1))
            && (!is_text || (v->ends = calloc((size_t)rows + 1, 4)));
    }
    if (is_whole) return b;
    jc_batch_free(b);
    return NULL;
}

form *jc_new(const column *columns, int32_t n) {
    form *f = calloc(1, sizeof *f);
    if (f && !(f->columns = calloc((size_t)n, sizeof(column)))) { free(f); f = NULL; }
    if (f) { memcpy(f->columns, columns, (size_t)n * sizeof(column)); f->n_columns = n; } /* names stay where they are */
    return f;
}
void jc_free(form *f) {
    for (int i = 0; i < MOST_KEYS; i++) free(f->keys[i].name);
    free(f->columns); free(f);
}

/* Finds where the records of JSON lines end, and gives how many they are; a line of nothing but spaces belongs to the next
 * record. `ends` has room for one more than there are lines; its first is the beginning. */
int64_t jc_lines(letters data, int64_t size, int32_t *ends) {
    int64_t n = 0;
    letters p = data, end = data + size;
    for (ends[0] = 0; p < end;) {
        letters stop = memchr(p, '\n', (size_t)(end - p)), next = stop ? stop + 1 : end;
        if (spaces(p, next) < next) ends[++n] = (int32_t)(next - data);
        p = next;
    }
    return n;
}

/* Gives the columns of some messages, which end where `ends` says, in 32 or 64 bits; NULL without memory. */
batch *jc_parse(form *f, int64_t rows, const void *ends, int32_t is_large, letters data, letters valid) {
    batch *b = batch_new(f, rows);
    cell *cells = calloc((size_t)f->n_columns, sizeof *cells);
    int is_whole = b && cells;
    for (int64_t row = 0; is_whole && row < rows; row++) {
        int64_t from = is_large ? ((const int64_t *)ends)[row] : ((const int32_t *)ends)[row];
        int64_t to = is_large ? ((const int64_t *)ends)[row + 1] : ((const int32_t *)ends)[row + 1];
        int is_there = !valid || (valid[row >> 3] >> (row & 7) & 1);
        int fits = is_there && message(f, data + from, data + to, cells, &b->strange[row]);
        b->fits[row] = (uint8_t)fits;
        b->doubts += !fits;
        b->unknown += b->strange[row];
        for (int i = 0; is_whole && i < f->n_columns; i++) is_whole = add(&b->columns[i], &f->columns[i], fits ? &cells[i] : NULL, row);
    }
    free(cells);
    if (is_whole) return b;
    jc_batch_free(b);
    return NULL;
}
