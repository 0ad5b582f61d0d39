//go:build !caltrop_poll

package kafka

/*
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>

// The public interface of librdkafka that is used here, which the client
// package links.
typedef struct {
	int err;
	void *topic;
	int32_t partition;
	void *value;
	size_t value_len;
	void *key;
	size_t key_len;
	int64_t offset;
	void *own;
} message;

extern ssize_t rd_kafka_consume_batch_queue(void *queue, int timeout_ms, message **messages, size_t max);
extern void rd_kafka_message_destroy(message *m);
extern int64_t rd_kafka_message_timestamp(const message *m, int *kind);
extern int rd_kafka_message_headers(const message *m, void **headers);
extern int rd_kafka_header_get_last(const void *headers, const char *name, const void **value, size_t *len);

typedef struct {
	void *value, *key;
	const void *header;
	size_t value_len, key_len, header_len;
	int64_t offset, time;
	int32_t partition;
	int err, time_kind;
} row;

static void read_header(const message *m, const char *name, row *r) {
	void *headers;
	r->header = NULL;
	if (name != NULL && !m->err && !rd_kafka_message_headers(m, &headers) &&
	    rd_kafka_header_get_last(headers, name, &r->header, &r->header_len))
		r->header = NULL;
}

static int take(void *queue, message **held, row *rows, int max, const char *header) {
	ssize_t n = rd_kafka_consume_batch_queue(queue, 0, held, max);
	for (ssize_t i = 0; i < n; i++) {
		const message *m = held[i];
		row *r = &rows[i];
		r->value = m->value;
		r->value_len = m->value_len;
		r->key = m->key;
		r->key_len = m->key_len;
		r->offset = m->offset;
		r->partition = m->partition;
		r->err = m->err;
		r->time = m->err ? -1 : rd_kafka_message_timestamp(m, &r->time_kind);
		read_header(m, header, r);
	}
	return n < 0 ? 0 : (int)n;
}

static void give(message **held, int n) {
	for (int i = 0; i < n; i++)
		rd_kafka_message_destroy(held[i]);
}
*/
import "C"

import (
	"errors"
	"reflect"
	"time"
	"unsafe"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// batchMax is how many messages are taken at once from those that the client
// library has fetched.
const batchMax = 256

// A batch takes messages out of the client library many at a time and without
// copying them: a message costs a third of what Poll costs, and no allocation.
// It gives what is there and never waits; waiting is Poll's.
type batch struct {
	queue unsafe.Pointer
	held  [batchMax]*C.message
	rows  [batchMax]C.row
	n, at int // messages held, and the next to give
	msg   ck.Message

	name   string  // of the one header that messages come with; "": none
	cname  *C.char // nil: none
	header [1]ck.Header
}

var errClient = errors.New("the client library's consumer has no queue where it was: this build needs confluent-kafka-go v2.15")

// newBatch finds the consumer's queue, which the client package keeps to itself.
// Of the messages' headers only the last of the name is read; "" reads none.
func newBatch(client *ck.Consumer, header string) (*batch, error) {
	queue := reflect.ValueOf(client).Elem().FieldByName("handle").FieldByName("rkq")
	if queue.Kind() != reflect.Pointer || queue.IsNil() {
		return nil, errClient
	}
	b := &batch{queue: queue.UnsafePointer(), name: header}
	if header != "" {
		b.cname = C.CString(header)
	}
	return b, nil
}

// next returns the next message, nil when none is there. It is valid until the
// next call of any method, its key and value too.
func (b *batch) next(topic *string) *ck.Message {
	if b.at == b.n {
		b.drop()
		b.n = int(C.take(b.queue, &b.held[0], &b.rows[0], batchMax, b.cname))
		if b.n == 0 {
			return nil
		}
	}
	r := &b.rows[b.at]
	b.at++
	b.msg = ck.Message{
		TopicPartition: ck.TopicPartition{Topic: topic, Partition: int32(r.partition), Offset: ck.Offset(r.offset)},
		Key:            bytesAt(r.key, r.key_len), Value: bytesAt(r.value, r.value_len),
	}
	if r.header != nil {
		b.header[0] = ck.Header{Key: b.name, Value: bytesAt(unsafe.Pointer(r.header), r.header_len)}
		b.msg.Headers = b.header[:]
	}
	if r.err != 0 {
		b.msg.TopicPartition.Error = ck.NewError(ck.ErrorCode(r.err), string(b.msg.Value), false)
	} else if r.time >= 0 {
		b.msg.Timestamp, b.msg.TimestampType = time.UnixMilli(int64(r.time)), ck.TimestampType(r.time_kind)
	}
	return &b.msg
}

// drop lets go of all messages that are held.
func (b *batch) drop() {
	if b.n > 0 {
		C.give(&b.held[0], C.int(b.n))
	}
	b.n, b.at = 0, 0
}

// close lets go of all.
func (b *batch) close() {
	b.drop()
	C.free(unsafe.Pointer(b.cname))
}

// bytesAt are bytes of the client library; nil for null.
func bytesAt(p unsafe.Pointer, n C.size_t) []byte {
	if p == nil {
		return nil
	}
	return unsafe.Slice((*byte)(p), int(n))
}
