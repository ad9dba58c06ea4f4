"""Another training structure: one encoder, one modality."""


def train(encoder, head, train_dataloader, valid_dataloader, total_epochs, modalnum=0, save_encoder="encoder.pt"):
    print(f"unimodal for {total_epochs} epochs")
