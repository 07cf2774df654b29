"""`python -m wgan` is `wgan`."""

from wgan.cli import main

if __name__ == "__main__":
    main()
