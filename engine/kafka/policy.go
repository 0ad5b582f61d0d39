package kafka

import (
	"context"
	"fmt"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// A TopicError says that a topic exists with a setting that would lose what is
// kept in it.
type TopicError struct{ Topic, Setting, Value, Want string }

// Error names the topic, what it has and the command that mends it.
func (e *TopicError) Error() string {
	return fmt.Sprintf("topic %[1]s has %[2]s=%[3]s, which loses what it keeps: want %[4]s; set it with kafka-configs.sh --alter --entity-type topics --entity-name %[1]s --add-config %[2]s=%[4]s",
		e.Topic, e.Setting, e.Value, e.Want)
}

// forEver says of a setting of retention that nothing leaves by it.
const forEver = "-1"

// needed are the settings by which a topic loses what it keeps: the newest record
// of a key by age, older ones by compaction, those of a journal by age or by size.
// How long others keep theirs is the operator's choice.
func needed(spec *ck.TopicSpecification) []string {
	if spec.Config["retention.ms"] == forEver {
		return []string{"cleanup.policy", "retention.ms", "retention.bytes"}
	}
	return []string{"cleanup.policy"}
}

// keptAsNeeded refuses topics that were found with a setting that loses what they
// keep. Where we may not ask, it is logged. How views are kept is the operator's
// choice.
func (c *Cluster) keptAsNeeded(ctx context.Context, admin *ck.AdminClient, specs []ck.TopicSpecification, found map[string]bool) error {
	var asked []ck.ConfigResource
	want := map[string]*ck.TopicSpecification{}
	for i := range specs {
		name := specs[i].Topic
		if found[name] && name != c.Topics().Views() {
			asked = append(asked, ck.ConfigResource{Type: ck.ResourceTopic, Name: name})
			want[name] = &specs[i]
		}
	}
	if len(asked) == 0 {
		return nil
	}
	described, err := admin.DescribeConfigs(ctx, asked, ck.SetAdminRequestTimeout(metadataTimeout))
	if err != nil {
		return c.unanswered(fmt.Errorf("asking for the settings of topics: %w", err))
	}
	for i := range described {
		if err := c.keeps(&described[i], want[described[i].Name]); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) keeps(has *ck.ConfigResourceResult, want *ck.TopicSpecification) error {
	switch has.Error.Code() {
	case ck.ErrNoError:
	case ck.ErrTopicAuthorizationFailed:
		c.opts.Log.Warn("what a topic keeps was not checked: grant DescribeConfigs on it", "topic", has.Name, "settings", needed(want))
		return nil
	default:
		return fmt.Errorf("asking for the settings of topic %s: %w", has.Name, has.Error)
	}
	for _, setting := range needed(want) {
		if value := has.Config[setting].Value; value != want.Config[setting] {
			return &TopicError{Topic: has.Name, Setting: setting, Value: value, Want: want.Config[setting]}
		}
	}
	return nil
}
