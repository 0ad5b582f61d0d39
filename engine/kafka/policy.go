package kafka

import (
	"context"
	"fmt"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// A TopicError says that a topic exists with a cleanup policy that would lose what
// is kept in it.
type TopicError struct{ Topic, Policy, Want string }

// Error names the topic, what it has and the command that mends it.
func (e *TopicError) Error() string {
	return fmt.Sprintf("topic %[1]s has cleanup.policy=%[2]s, which loses what it keeps: want %[3]s; set it with kafka-configs.sh --alter --entity-type topics --entity-name %[1]s --add-config cleanup.policy=%[3]s",
		e.Topic, e.Policy, e.Want)
}

// cleanedAsNeeded refuses topics that were found with another cleanup policy: the
// newest record of a key would leave by age, or older ones by compaction. How long
// views are kept is the operator's choice. Where we may not ask, it is logged.
func (c *Cluster) cleanedAsNeeded(ctx context.Context, admin *ck.AdminClient, specs []ck.TopicSpecification, found map[string]bool) error {
	var asked []ck.ConfigResource
	want := map[string]string{}
	for i := range specs {
		name := specs[i].Topic
		if found[name] && name != c.Topics().Views() {
			asked = append(asked, ck.ConfigResource{Type: ck.ResourceTopic, Name: name})
			want[name] = specs[i].Config["cleanup.policy"]
		}
	}
	if len(asked) == 0 {
		return nil
	}
	described, err := admin.DescribeConfigs(ctx, asked, ck.SetAdminRequestTimeout(metadataTimeout))
	if err != nil {
		return c.unanswered(fmt.Errorf("asking for the settings of topics: %w", err))
	}
	for _, d := range described {
		switch has := d.Config["cleanup.policy"].Value; {
		case d.Error.Code() == ck.ErrTopicAuthorizationFailed:
			c.opts.Log.Warn("cleanup.policy of a topic not checked: grant DescribeConfigs on it", "topic", d.Name, "want", want[d.Name])
		case d.Error.Code() != ck.ErrNoError:
			return fmt.Errorf("asking for the settings of topic %s: %w", d.Name, d.Error)
		case has != want[d.Name]:
			return &TopicError{Topic: d.Name, Policy: has, Want: want[d.Name]}
		}
	}
	return nil
}
