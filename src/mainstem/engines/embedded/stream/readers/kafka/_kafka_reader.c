/* Reads Kafka records in batches into Arrow buffers, over the librdkafka that confluent-kafka has loaded. Built by
 * `mainstem doctor --build`; without it they are read in Python. The wheel has no headers: `message` is the public
 * `rd_kafka_message_t`, unchanged since 0.9, and a build is used only after it has read what was produced for it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

#define PARTITION_EOF (-191) /* RD_KAFKA_RESP_ERR__PARTITION_EOF */
#define AT_ONCE 2048         /* messages of one call into librdkafka: few enough to stay in the cache */
#define MOST_FAILURES 32
#define PATIENCE 4           /* silences that a slice waits in all: records that keep coming must not keep it */
#define TEXT 256
typedef struct {
    int err; void *topic; int32_t partition; void *value; size_t size; void *key; size_t key_size; int64_t offset;
    void *own;
} message;

/* What is called of librdkafka, in the order in which Python gives the addresses. */
typedef struct {
    ssize_t (*batch)(void *queue, int wait_ms, message **into, size_t most);
    void (*destroy)(message *);
    int64_t (*timestamp)(const message *, int *kind);
    const char *(*topic_name)(const void *topic), *(*error_text)(const message *);
    int (*headers)(const message *, void **headers);
    int (*header)(const void *headers, size_t i, const char **name, const void **value, size_t *size);
} functions;

/* A partition that is read. `next` follows the last record, and is moved by PARTITION_EOF too: control records and
 * aborted transactions leave gaps that no message tells of. `part` is its number in the batch, -1 without records. */
typedef struct {
    char *topic; int32_t partition, is_active, part, is_at_end; int64_t next, stop, rows; void *known_as;
} slot;

/* Values of any length: an Arrow binary column. */
typedef struct { int32_t *ends; uint8_t *data, *valid; int64_t size, room, rows, most, nulls; } texts;
typedef struct {
    int64_t rows, timeless, *offset, *time; int32_t *part, *header_ends; uint8_t *timed;
    texts value, key, header_name, header_value;
} batch;
typedef struct { int64_t offset; int32_t error, slot; char text[TEXT]; } failure;
typedef struct {
    slot *slots; failure failures[MOST_FAILURES]; int32_t n_slots, n_failures, last, room;
    functions kafka; void *queue; int with_key, with_headers;
    message *held[AT_ONCE]; int64_t at, n_held, usual; /* not taken yet; and the bytes of a batch */
} reader;
/* Python compares them with its own idea of the structures. */
size_t kr_size(int of) { return of ? of == 1 ? sizeof(slot) : of == 2 ? sizeof(batch) : sizeof(failure) : sizeof(reader); }
static double now_s(void) {
    struct timespec t;
    return clock_gettime(CLOCK_MONOTONIC, &t) ? 0 : (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
static int grow(void *at, int64_t n, size_t each) {
    void *more = realloc(*(void **)at, (size_t)n * each);
    if (more) *(void **)at = more;
    return more != NULL;
}
static int texts_new(texts *t, int64_t most, int64_t room) {
    t->most = most; t->room = room + 64;
    t->valid = calloc((size_t)most / 8 + 1, 1);
    if (!t->valid || !grow(&t->data, t->room, 1) || !grow(&t->ends, most + 1, 4)) return 0;
    return t->ends[0] = 0, 1;
}
static int texts_add(texts *t, const void *data, size_t size) {
    if (t->rows == t->most) { /* headers: there is no telling how many */
        int64_t old = t->most / 8 + 1, new = (t->most *= 2) / 8 + 1;
        if (!grow(&t->ends, t->most + 1, 4) || !grow(&t->valid, new, 1)) return 0;
        memset(t->valid + old, 0, (size_t)(new - old));
    }
    int64_t end = t->size + (data ? (int64_t)size : 0);
    if (end > INT32_MAX || (end > t->room && !grow(&t->data, t->room = end * 2, 1))) return 0;
    if (data) {
        memcpy(t->data + t->size, data, size);
        t->valid[t->rows >> 3] |= (uint8_t)(1 << (t->rows & 7));
    } else t->nulls++;
    t->ends[++t->rows] = (int32_t)(t->size = end);
    return 1;
}

void kr_batch_free(batch *b) {
    if (!b) return;
    texts *all[] = {&b->value, &b->key, &b->header_name, &b->header_value};
    for (int i = 0; i < 4; i++) { free(all[i]->ends); free(all[i]->data); free(all[i]->valid); }
    free(b->offset); free(b->time); free(b->timed); free(b->part); free(b->header_ends); free(b);
}
static batch *batch_new(const reader *k, int64_t most) {
    batch *b = calloc(1, sizeof *b);
    int is_whole = b && (b->timed = calloc((size_t)most / 8 + 1, 1)) && grow(&b->offset, most, 8) && grow(&b->time, most, 8) && grow(&b->part, most, 4)
        && texts_new(&b->value, most, k->usual) && (!k->with_key || texts_new(&b->key, most, most * 8));
    if (is_whole && k->with_headers) {
        is_whole = grow(&b->header_ends, most + 1, 4) && texts_new(&b->header_name, most + 1, most * 8)
            && texts_new(&b->header_value, most + 1, most * 8);
        if (is_whole) b->header_ends[0] = 0;
    }
    if (is_whole) return b;
    kr_batch_free(b);
    return NULL;
}

reader *kr_new(const functions *kafka, void *queue, int with_key, int with_headers) {
    reader *k = calloc(1, sizeof *k);
    if (k) { k->kafka = *kafka; k->queue = queue; k->with_key = with_key; k->with_headers = with_headers; }
    return k;
}

/* Gives the index of a new slot; -1 without memory. */
int32_t kr_add(reader *k, const char *topic, int32_t partition, int64_t next, int64_t stop) {
    slot s = {strdup(topic), partition, 1, -1, next >= stop, next, stop, 0, NULL};
    if (!s.topic || (k->n_slots == k->room && !grow(&k->slots, k->room = k->room * 2 + 16, sizeof s))) return -1;
    k->slots[k->n_slots] = s;
    return k->n_slots++;
}

/* Records of a partition come in runs, so the one found last is looked at first. */
static slot *slot_of(reader *k, const message *m) {
    slot *s = k->slots;
    if (k->n_slots && s[k->last].known_as == m->topic && s[k->last].partition == m->partition) return &s[k->last];
    const char *name = m->topic ? k->kafka.topic_name(m->topic) : "";
    for (int32_t i = 0; i < k->n_slots; i++)
        if (s[i].is_active && s[i].partition == m->partition && !strcmp(s[i].topic, name)) {
            s[i].known_as = m->topic;
            return &s[k->last = i];
        }
    return NULL;
}
static void fail(reader *k, const message *m, const slot *s) {
    failure *f = &k->failures[k->n_failures++];
    const char *text = k->kafka.error_text(m);
    f->error = m->err; f->slot = s ? (int32_t)(s - k->slots) : -1; f->offset = m->offset;
    strncpy(f->text, text ? text : "", TEXT - 1);
}
static int add_headers(const reader *k, batch *b, const message *m) {
    void *all = NULL;
    const char *name; const void *value; size_t size;
    for (size_t i = 0; k->kafka.headers(m, &all) == 0 && k->kafka.header(all, i, &name, &value, &size) == 0; i++)
        if (!texts_add(&b->header_name, name, strlen(name)) || !texts_add(&b->header_value, value, size)) return 0;
    b->header_ends[b->rows + 1] = (int32_t)b->header_name.rows;
    return 1;
}

/* Takes one message; 0 without memory. */
static int take(reader *k, batch *b, const message *m, int32_t *n_parts) {
    slot *s = slot_of(k, m);
    if (m->err && m->err != PARTITION_EOF) { fail(k, m, s); return 1; }
    if (!s || !s->is_active || m->offset < s->next || s->next >= s->stop) return 1; /* of one that was let go of */
    if (m->err || m->offset >= s->stop) { /* an end below `stop` is not yet the end: more is to come */
        s->next = m->offset < s->stop ? m->offset : s->stop;
        s->is_at_end = s->stop == INT64_MAX || s->next == s->stop;
        return 1;
    }
    if (!texts_add(&b->value, m->value, m->size) || (k->with_key && !texts_add(&b->key, m->key, m->key_size))
        || (k->with_headers && !add_headers(k, b, m))) return 0;
    if (s->part < 0) s->part = (*n_parts)++;
    int64_t at = k->kafka.timestamp(m, NULL);
    if (at < 0) b->timeless++; else b->timed[b->rows >> 3] |= (uint8_t)(1 << (b->rows & 7));
    b->offset[b->rows] = m->offset; b->time[b->rows] = at; b->part[b->rows++] = s->part;
    s->rows++; s->next = m->offset + 1; s->is_at_end = s->next == s->stop;
    return 1;
}
static int is_at_end(const reader *k) {
    for (int32_t i = 0; i < k->n_slots; i++) if (k->slots[i].is_active && !k->slots[i].is_at_end) return 0;
    return 1;
}

/* Waits for messages: first takes what is there, as a wait for many would last its whole time after the first one. */
static int64_t fetch(reader *k, int64_t wait_ms) {
    ssize_t n = k->kafka.batch(k->queue, 0, k->held, AT_ONCE);
    if (n == 0 && wait_ms > 0) n = k->kafka.batch(k->queue, (int)wait_ms, k->held, 1);
    return k->at = 0, k->n_held = n > 0 ? n : 0;
}

/* Makes *into of at most `most` records and gives how many, or -1 without memory; what is beyond `most_bytes` is held
 * for the next call. Ends after `quiet_ms` of silence, when it has waited PATIENCE times as long, when every partition has come to its end, and at a failure. */
int64_t kr_read(reader *k, int64_t most, int64_t most_bytes, int64_t wait_ms, int64_t quiet_ms, batch **into) {
    batch *b = *into = batch_new(k, most);
    double until = now_s() + (double)wait_ms * 1e-3, cut = 0;
    int was_at_end = is_at_end(k);
    int32_t n_parts = 0;
    if (!b) return -1;
    memset(k->failures, 0, sizeof k->failures); k->n_failures = 0;
    for (int32_t i = 0; i < k->n_slots; i++) { k->slots[i].part = -1; k->slots[i].rows = 0; }
    while (b->rows < most && b->value.size + b->key.size + b->header_value.size < most_bytes && k->n_failures < MOST_FAILURES) {
        if (k->at == k->n_held) {
            int is_end = is_at_end(k);
            if (k->n_failures || (is_end && !was_at_end && !b->rows)) break;
            if (b->rows && cut == 0) cut = now_s() + (double)(PATIENCE * quiet_ms) * 1e-3;
            double left_ms = ((b->rows ? cut : until) - now_s()) * 1e3;
            int64_t wait = left_ms > 0 ? (int64_t)left_ms + 1 : 0;
            if (b->rows && wait > quiet_ms) wait = quiet_ms;
            if (!fetch(k, b->rows && is_end ? 0 : wait)) break;
        }
        if (!take(k, b, k->held[k->at], &n_parts)) { kr_batch_free(b); *into = NULL; return -1; }
        k->kafka.destroy(k->held[k->at++]);
    }
    if (b->value.size * 5 / 4 > k->usual) k->usual = b->value.size * 5 / 4;
    return b->rows;
}

void kr_free(reader *k) {
    while (k->at < k->n_held) k->kafka.destroy(k->held[k->at++]);
    for (int32_t i = 0; i < k->n_slots; i++) free(k->slots[i].topic);
    free(k->slots); free(k);
}
