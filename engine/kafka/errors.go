package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/caltrop/caltrop/rules"
	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// ErrFenced says that another process has taken over the transactional id: what
// was not committed will never be, and the loser must let go of the partition.
var ErrFenced = errors.New("fenced by another owner")

// A HaltError stops one partition until an operator acts. Reason is for people.
type HaltError struct {
	Input     string
	Partition int32
	Reason    string
}

// Error names the partition and the reason.
func (e *HaltError) Error() string {
	return fmt.Sprintf("%s/%d is halted: %s", e.Input, e.Partition, e.Reason)
}

// fenced wraps the errors that mean another producer has the id now.
func fenced(err error) error {
	var ke ck.Error
	if !errors.As(err, &ke) {
		return err
	}
	switch ke.Code() {
	case ck.ErrFenced, ck.ErrProducerFenced, ck.ErrInvalidProducerEpoch:
		return fmt.Errorf("%w: %w", ErrFenced, err)
	}
	return err
}

// topicGone reports whether a topic that was written to may have been deleted.
func topicGone(err error) bool {
	var ke ck.Error
	if !errors.As(err, &ke) {
		return false
	}
	switch ke.Code() {
	case ck.ErrTimedOut, ck.ErrUnknownTopicOrPart, ck.ErrUnknownTopic, ck.ErrUnknownPartition:
		return true
	}
	return false
}

// isFinal reports whether the same client need not try again: the caller gave
// up, the client is dead or fenced, it lacks a right, or halts says so.
func isFinal(err error) bool {
	var ke ck.Error
	if errors.As(err, &ke) && ke.IsFatal() || errors.Is(err, ErrFenced) {
		return true
	}
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || lacks(err) != "" || halts(err)
}

// halts reports whether an error stops a partition until someone acts: the
// partition is halted, the version of a list that it needs is gone, a topic would
// lose what is kept in it, or the cluster refuses what we ask for.
func halts(err error) bool {
	var halt *HaltError
	var topic *TopicError
	if errors.As(err, &halt) || errors.As(err, &topic) || errors.Is(err, rules.ErrListGone) {
		return true
	}
	var ke ck.Error
	if !errors.As(err, &ke) {
		return false
	}
	switch ke.Code() {
	case ck.ErrInvalidArg, ck.ErrPolicyViolation, ck.ErrInvalidReplicationFactor:
		return true
	}
	return false
}
