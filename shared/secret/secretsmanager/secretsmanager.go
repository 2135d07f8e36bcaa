// Package secretsmanager is the AWS side of package secret.
package secretsmanager

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"hotsync/shared/secret"
)

type manager struct{ client *secretsmanager.Client }

// New gives a secret.Manager on AWS Secrets Manager.
func New(cfg aws.Config) secret.Manager {
	return manager{secretsmanager.NewFromConfig(cfg)}
}

// SecretString reads the version staged AWSCURRENT.
func (m manager) SecretString(ctx context.Context, id string) (string, error) {
	out, err := m.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &id})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.SecretString), nil
}
