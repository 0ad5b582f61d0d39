package kafka

import (
	"errors"
	"fmt"
	"strings"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// A RightError says which right the cluster did not give us: an operation on a
// topic, a group or a transactional id. It is tried again, as somebody may grant it.
type RightError struct {
	Operation, On string
	cause         error
}

// Error ends with the right that is to be granted.
func (e *RightError) Error() string {
	return fmt.Sprintf("%s: grant %s on %s", strings.TrimSuffix(e.cause.Error(), "."), e.Operation, e.On)
}

// Unwrap returns what the cluster said.
func (e *RightError) Unwrap() error { return e.cause }

// right names the right that is missing where that is why err came: operation is
// wanted on the topic, group or transactional id of this name.
func right(err error, operation, name string) error {
	var known *RightError
	kind := lacks(err)
	if kind == "" || errors.As(err, &known) {
		return err
	}
	return &RightError{Operation: operation, On: kind + " " + name, cause: err}
}

// lacks returns of what kind the thing is that we may not use, "" where err says
// something else.
func lacks(err error) string {
	var ke ck.Error
	if !errors.As(err, &ke) {
		return ""
	}
	switch ke.Code() {
	case ck.ErrTopicAuthorizationFailed:
		return "topic"
	case ck.ErrGroupAuthorizationFailed:
		return "group"
	case ck.ErrTransactionalIDAuthorizationFailed:
		return "transactional id"
	}
	return ""
}
